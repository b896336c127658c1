// A form made of a JSON Schema: whatever field the server learns stands here too.
import { ActionIcon, Button, Card, Checkbox, Fieldset, Group, NativeSelect, NumberInput, PasswordInput, Stack, Table, Text, TextInput, Textarea, Title } from '@mantine/core'
import { createContext, useContext, useId, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { useNames, type Fault, type Schema } from './lib'
import { choices, hidden, human, keyed, long, refOf, secrets, sections, suggested } from './layout'
import { Hours, Holidays } from './week'

export interface FieldProps {
  path: string
  schema: Schema
  value: any
  set: (v: any) => void
}

// Faults by path, for the fields that they are of.
export const Faults = createContext<Fault[]>([])

const MASK = '********'

// useFault is what is wrong with the field at path; deep: or with what is within.
export function useFault(path: string, deep = false) {
  const all = useContext(Faults)
  const own = all.filter((f) => !f.warning && (f.path === path || (deep && (f.path.startsWith(path + '.') || f.path.startsWith(path + '[')))))
  return own.length ? own.map((f) => f.message).join('; ') : undefined
}

export function useLabel() {
  const { t } = useTranslation()
  return (name: string) => t('admin.field.' + name, { defaultValue: human(name) })
}

const last = (path: string) => path.replace(/\[\d+\]/g, '').split('.').pop()!
const isText = (s: Schema) => Array.isArray(s.type) ? s.type.includes('string') && !s.type.includes('object') && !s.type.includes('array') : s.type === 'string'
const has = (s: Schema | undefined, type: string) => (Array.isArray(s?.type) ? s!.type.includes(type) : s?.type === type)
const isDuration = (s: Schema) => !!s.pattern?.includes('ns|us')

// help is the schema's description without the Go name that it begins with.
function help(s: Schema) {
  return s.description?.replace(/^[A-Z]\w+(?::| is| are) /, '').replace(/^./, (c) => c.toUpperCase())
}

function Help({ schema }: { schema: Schema }) {
  const text = help(schema)
  return text ? <span lang="en">{text}</span> : null
}

// Field draws one field of a schema with all that belongs to it.
export function Field({ path, schema, value, set }: FieldProps) {
  const label = useLabel()
  const { t } = useTranslation()
  const name = last(path)
  const wrong = useFault(path)
  const common = { label: label(name), description: <Help schema={schema} />, error: wrong }
  if (hidden.has(name)) return null
  if (name === 'hours' && has(schema, 'array')) return <Hours path={path} schema={schema} value={value} set={set} />
  if (name === 'holidays') return <Holidays path={path} schema={schema} value={value} set={set} />
  if (schema.anyOf && !schema.type) return <Any path={path} schema={schema} value={value} set={set} />
  if (schema.enum) return <NativeSelect {...common} value={value ?? ''} onChange={(e) => set(e.currentTarget.value || undefined)} data={['', ...schema.enum.filter(Boolean)].map((v) => ({ value: v, label: v ? t(`admin.value.${v}`, { defaultValue: human(v) }) : t('admin.usual') }))} />
  if (has(schema, 'array')) {
    if (has(schema.items, 'object')) return <Rows path={path} schema={schema} value={value} set={set} />
    if (choices[name]) return <Choices path={path} schema={schema} value={value} set={set} />
    return <Texts path={path} schema={schema} value={value} set={set} />
  }
  if (has(schema, 'object')) return schema.properties ? <Part path={path} schema={schema} value={value} set={set} /> : <Map path={path} schema={schema} value={value} set={set} />
  if (schema.type === 'boolean')
    return <NativeSelect {...common} value={value === undefined ? '' : String(value)} onChange={(e) => set(e.currentTarget.value === '' ? undefined : e.currentTarget.value === 'true')}
      data={[{ value: '', label: t('admin.usual') }, { value: 'true', label: t('admin.yes') }, { value: 'false', label: t('admin.no') }]} />
  if (schema.type === 'integer' || schema.type === 'number') return <NumberInput {...common} value={value ?? ''} onChange={(v) => set(v === '' ? undefined : typeof v === 'string' && /^-?\d+$/.test(v) ? Number(v) : v)} allowDecimal={schema.type === 'number'} min={schema.minimum} max={schema.maximum} hideControls />
  if (secrets.has(name)) return <Secret common={common} value={value} set={set} />
  if (choices[name]) return <NativeSelect {...common} value={value ?? ''} onChange={(e) => set(e.currentTarget.value || undefined)} data={pick(['', ...choices[name]!], value, (v) => (v ? t(`admin.value.${v}`, { defaultValue: human(v) }) : t('admin.usual')))} />
  if (long.has(name)) return <Textarea {...common} autosize minRows={2} maxRows={14} value={value ?? ''} onChange={(e) => set(e.currentTarget.value)} />
  return <Word path={path} {...common} duration={isDuration(schema)} value={value} set={set} />
}

// pick is the data of a select that keeps a value which is not on the list.
const pick = (values: string[], value: string | undefined, label: (v: string) => string) => (value && !values.includes(value) ? [...values, value] : values).map((v) => ({ value: v, label: label(v) }))

// Word is a text: a name of something, a length of time, or free.
export function Word({ path, label, description, error, value, set, duration, hideLabel }: { path: string; label: string; description?: React.ReactNode; error?: React.ReactNode; value: any; set: (v: any) => void; duration?: boolean; hideLabel?: boolean }) {
  const { t } = useTranslation()
  const ref = refOf(path)
  const names = useNames(ref?.kind)
  const id = useId()
  const shown = hideLabel ? { 'aria-label': label } : { label }
  if (ref?.strict && names.length > 0) return <NativeSelect {...shown} description={description} error={error} value={value ?? ''} onChange={(e) => set(e.currentTarget.value || undefined)} data={pick(['', ...names], value, (v) => v || t('admin.none'))} />
  const offers = ref ? names : suggested[last(path)]
  return (
    <>
      <TextInput {...shown} description={description} error={error} value={value === undefined || value === null ? '' : String(value)} onChange={(e) => set(e.currentTarget.value || undefined)} placeholder={duration ? t('admin.duration') : undefined} list={offers?.length ? id : undefined} />
      {offers && offers.length > 0 && <datalist id={id}>{offers.map((o) => <option key={o} value={o} />)}</datalist>}
    </>
  )
}

// Secret shows that there is one, and takes another; what is left alone stays.
function Secret({ common, value, set }: { common: { label: string; description?: React.ReactNode; error?: React.ReactNode }; value: any; set: (v: any) => void }) {
  const { t } = useTranslation()
  const kept = value === MASK
  return <PasswordInput {...common} value={kept ? '' : (value ?? '')} placeholder={kept ? t('admin.kept') : undefined} autoComplete="new-password" visibilityToggleButtonProps={{ 'aria-label': t('signin.show') }}
    onChange={(e) => set(e.currentTarget.value || (kept ? MASK : undefined))} />
}

function Choices({ path, schema, value, set }: FieldProps) {
  const label = useLabel()
  const { t } = useTranslation()
  const wrong = useFault(path, true)
  const name = last(path)
  const have: string[] = value ?? []
  return (
    <Checkbox.Group label={label(name)} description={<Help schema={schema} />} error={wrong} value={have} onChange={(v) => set(v.length ? v : undefined)}>
      <Group mt={4}>{[...choices[name]!, ...have.filter((v) => !choices[name]!.includes(v))].map((v) => <Checkbox key={v} value={v} label={t(`admin.value.${v}`, { defaultValue: human(v) })} />)}</Group>
    </Checkbox.Group>
  )
}

// Texts is a list of words, one a line.
function Texts({ path, schema, value, set }: FieldProps) {
  const { t } = useTranslation()
  const label = useLabel()
  const name = label(last(path))
  const wrong = useFault(path)
  const all = useContext(Faults)
  const have: any[] = value ?? []
  const number = has(schema.items, 'integer') && !isText(schema.items!)
  const change = (i: number, v: any) => set(have.map((x, k) => (k === i ? v : x)))
  return (
    <Fieldset legend={name}>
      {help(schema) && <Text size="xs" c="dimmed" lang="en">{help(schema)}</Text>}
      {have.map((v, i) => (
        <Group key={i} mt={4} wrap="nowrap" align="start">
          <div style={{ flex: 1 }}>
            {number ? <NumberInput aria-label={`${name} ${i + 1}`} hideControls value={v ?? ''} onChange={(x) => change(i, x)} error={all.find((f) => !f.warning && f.path === `${path}[${i}]`)?.message} />
              : <Word path={path} hideLabel label={`${name} ${i + 1}`} value={v} set={(x) => change(i, x ?? '')} error={all.find((f) => !f.warning && f.path === `${path}[${i}]`)?.message} />}
          </div>
          <Remove what={`${name} ${i + 1}`} go={() => set(have.length > 1 ? have.filter((_, k) => k !== i) : undefined)} />
        </Group>
      ))}
      <Button mt="xs" size="compact-sm" variant="default" onClick={() => set([...have, number ? 0 : ''])} aria-label={t('admin.addto', { what: name })}>{t('admin.add')}</Button>
      {wrong && <Text size="sm" c="var(--mantine-color-error)" role="alert">{wrong}</Text>}
    </Fieldset>
  )
}

export function Remove({ what, go }: { what: string; go: () => void }) {
  const { t } = useTranslation()
  return <ActionIcon variant="default" size="lg" aria-label={t('admin.removeone', { what })} title={t('admin.removeone', { what })} onClick={go}>×</ActionIcon>
}

// Rows is a list of small things of the same shape: a table while they are flat.
function Rows({ path, schema, value, set }: FieldProps) {
  const { t } = useTranslation()
  const label = useLabel()
  const title = label(last(path))
  const wrong = useFault(path)
  const have: any[] = value ?? []
  const item = schema.items!
  const columns = Object.entries(item.properties ?? {})
  const flat = columns.length <= 6 && columns.every(([k, s]) => !has(s, 'array') && !has(s, 'object') && !long.has(k))
  const change = (i: number, k: string, v: any) => set(have.map((x, n) => (n === i ? { ...x, [k]: v } : x)))
  const move = (i: number, by: number) => {
    const next = [...have]
    const [x] = next.splice(i, 1)
    next.splice(i + by, 0, x)
    set(next)
  }
  return (
    <Fieldset legend={title}>
      {help(schema) && <Text size="xs" c="dimmed" lang="en">{help(schema)}</Text>}
      {flat && have.length > 0 && (
        <div style={{ overflowX: 'auto' }}>
          <Table verticalSpacing={4}>
            <Table.Thead><Table.Tr>{columns.map(([k]) => <Table.Th key={k}>{label(k)}</Table.Th>)}<Table.Th><span className="visually-hidden">{t('live.actions')}</span></Table.Th></Table.Tr></Table.Thead>
            <Table.Tbody>
              {have.map((row, i) => (
                <Table.Tr key={i}>
                  {columns.map(([k, s]) => <Table.Td key={k}><Cell path={`${path}[${i}].${k}`} schema={s} title={`${label(k)} ${i + 1}`} value={row?.[k]} set={(v) => change(i, k, v)} /></Table.Td>)}
                  <Table.Td><Group gap={4} wrap="nowrap" justify="end">
                    <ActionIcon variant="default" size="lg" disabled={i === 0} aria-label={t('admin.up', { what: `${title} ${i + 1}` })} onClick={() => move(i, -1)}>↑</ActionIcon>
                    <Remove what={`${title} ${i + 1}`} go={() => set(have.length > 1 ? have.filter((_, n) => n !== i) : undefined)} />
                  </Group></Table.Td>
                </Table.Tr>
              ))}
            </Table.Tbody>
          </Table>
        </div>
      )}
      {!flat && have.map((row, i) => (
        <Card key={i} withBorder mt="xs">
          <Group justify="end" gap={4}><Remove what={`${title} ${i + 1}`} go={() => set(have.length > 1 ? have.filter((_, n) => n !== i) : undefined)} /></Group>
          <Stack gap="sm">{columns.map(([k, s]) => <Field key={k} path={`${path}[${i}].${k}`} schema={s} value={row?.[k]} set={(v) => change(i, k, v)} />)}</Stack>
        </Card>
      ))}
      <Button mt="xs" size="compact-sm" variant="default" onClick={() => set([...have, {}])} aria-label={t('admin.addto', { what: title })}>{t('admin.add')}</Button>
      {wrong && <Text size="sm" c="var(--mantine-color-error)" role="alert">{wrong}</Text>}
    </Fieldset>
  )
}

// Cell is a field in a table: the column says what it is.
function Cell({ path, schema, title, value, set }: FieldProps & { title: string }) {
  const { t } = useTranslation()
  const wrong = useFault(path)
  if (schema.enum) return <NativeSelect aria-label={title} error={wrong} value={value ?? ''} onChange={(e) => set(e.currentTarget.value || undefined)} data={['', ...schema.enum.filter(Boolean)].map((v) => ({ value: v, label: v ? t(`admin.value.${v}`, { defaultValue: human(v) }) : t('admin.usual') }))} />
  if (schema.type === 'boolean') return <Checkbox aria-label={title} checked={!!value} onChange={(e) => set(e.currentTarget.checked || undefined)} />
  if (schema.type === 'integer' || schema.type === 'number') return <NumberInput aria-label={title} error={wrong} hideControls value={value ?? ''} onChange={(v) => set(v === '' ? undefined : v)} maw={110} />
  return <Word path={path} hideLabel label={title} error={wrong} duration={isDuration(schema)} value={value} set={set} />
}

// Map is names with a value each: skills with levels, codes with what they do.
function Map({ path, schema, value, set }: FieldProps) {
  const { t } = useTranslation()
  const label = useLabel()
  const name = last(path)
  const title = label(name)
  const wrong = useFault(path)
  const all = useContext(Faults)
  const names = useNames(keyed[name])
  const [fresh, setFresh] = useState('')
  const have: Record<string, any> = value ?? {}
  const number = has(schema.additionalProperties as Schema, 'integer') && !isText(schema.additionalProperties as Schema)
  const put = (k: string, v: any) => set({ ...have, [k]: v })
  const drop = (k: string) => {
    const { [k]: _, ...rest } = have
    set(Object.keys(rest).length ? rest : undefined)
  }
  const open = names.filter((n) => !(n in have))
  const add = () => {
    if (!fresh || fresh in have) return
    put(fresh, number ? 1 : '')
    setFresh('')
  }
  return (
    <Fieldset legend={title}>
      {help(schema) && <Text size="xs" c="dimmed" lang="en">{help(schema)}</Text>}
      {Object.entries(have).map(([k, v]) => (
        <Group key={k} mt={4} wrap="nowrap" align="start">
          <Text w={140} mt={6} style={{ overflowWrap: 'anywhere' }}>{k}</Text>
          <div style={{ flex: 1 }}>
            {number ? <NumberInput aria-label={k} hideControls value={v ?? ''} onChange={(x) => put(k, x)} error={all.find((f) => !f.warning && f.path === `${path}.${k}`)?.message} />
              : <Word path={`${path}`} hideLabel label={k} value={v} set={(x) => put(k, x ?? '')} error={all.find((f) => !f.warning && f.path === `${path}.${k}`)?.message} />}
          </div>
          <Remove what={k} go={() => drop(k)} />
        </Group>
      ))}
      <Group mt="xs" wrap="nowrap">
        {keyed[name] && names.length > 0
          ? <NativeSelect size="xs" aria-label={t('admin.newkey', { what: title })} value={fresh} onChange={(e) => setFresh(e.currentTarget.value)} data={[{ value: '', label: t('admin.pick') }, ...open]} />
          : <TextInput size="xs" aria-label={t('admin.newkey', { what: title })} value={fresh} onChange={(e) => setFresh(e.currentTarget.value.trim())} onKeyDown={(e) => e.key === 'Enter' && (e.preventDefault(), add())} />}
        <Button size="compact-sm" variant="default" disabled={!fresh} onClick={add} aria-label={t('admin.addto', { what: title })}>{t('admin.add')}</Button>
      </Group>
      {wrong && <Text size="sm" c="var(--mantine-color-error)" role="alert">{wrong}</Text>}
    </Fieldset>
  )
}

// Part is an object within: absent until it is wanted.
function Part({ path, schema, value, set }: FieldProps) {
  const { t } = useTranslation()
  const label = useLabel()
  const title = label(last(path))
  const wrong = useFault(path)
  return (
    <Fieldset legend={title}>
      {help(schema) && <Text size="xs" c="dimmed" lang="en">{help(schema)}</Text>}
      <Checkbox my={6} label={t('admin.wanted', { what: title })} checked={value !== undefined} onChange={(e) => set(e.currentTarget.checked ? {} : undefined)} />
      {value !== undefined && <Stack gap="sm">{Object.entries(schema.properties!).map(([k, s]) => <Field key={k} path={`${path}.${k}`} schema={s} value={value?.[k]} set={(v) => set({ ...value, [k]: v })} />)}</Stack>}
      {wrong && <Text size="sm" c="var(--mantine-color-error)" role="alert">{wrong}</Text>}
    </Fieldset>
  )
}

// Any is what may be written in more than one way (steps of flows): each has its form.
export function Any({ path, schema, value, set }: FieldProps) {
  const { t } = useTranslation()
  const label = useLabel()
  const forms = schema.anyOf!.filter((s) => s.type !== 'null').flatMap((s) => (s.anyOf && !s.type ? s.anyOf : [s]))
  const fits = (s: Schema) => (Array.isArray(value) ? has(s, 'array') : value !== null && typeof value === 'object' ? has(s, 'object') : typeof value === 'string' || typeof value === 'number' ? isText(s) : false)
  const at = forms.findIndex(fits)
  const now = value === undefined || value === null ? forms.findIndex((s) => has(s, 'object')) : at
  const form = forms[now < 0 ? 0 : now]!
  const named = (s: Schema) => (has(s, 'array') ? 'list' : has(s, 'object') ? 'fields' : 'text')
  const start = { list: [], fields: {}, text: '' }
  return (
    <Fieldset legend={label(last(path))}>
      {forms.length > 1 && <NativeSelect mb="xs" size="xs" aria-label={t('admin.form', { what: label(last(path)) })} value={String(forms.indexOf(form))} onChange={(e) => set(start[named(forms[Number(e.currentTarget.value)]!)])} data={forms.map((s, i) => ({ value: String(i), label: t('admin.forms.' + named(s)) }))} />}
      <Body path={path} schema={form} value={value} set={set} />
    </Fieldset>
  )
}

// Body is a value without a frame of its own.
export function Body({ path, schema, value, set }: FieldProps) {
  const wrong = useFault(path)
  const label = useLabel()
  if (has(schema, 'object') && schema.properties) return <Stack gap="sm">{Object.entries(schema.properties).map(([k, s]) => <Field key={k} path={`${path}.${k}`} schema={s} value={value?.[k]} set={(v) => set({ ...(value ?? {}), [k]: v })} />)}{wrong && <Text size="sm" c="var(--mantine-color-error)" role="alert">{wrong}</Text>}</Stack>
  if (has(schema, 'array') && !schema.items?.type) return <Items path={path} schema={schema} value={value} set={set} />
  if (has(schema, 'array') || has(schema, 'object')) return <Field path={path} schema={schema} value={value} set={set} />
  return <Word path={path} hideLabel label={label(last(path))} value={value} set={set} error={wrong} />
}

// Items is a list whose entries may be written in more than one way.
function Items({ path, schema, value, set }: FieldProps) {
  const { t } = useTranslation()
  const label = useLabel()
  const title = label(last(path))
  const have: any[] = Array.isArray(value) ? value : []
  return (
    <Stack gap="xs">
      {have.map((v, i) => (
        <Group key={i} wrap="nowrap" align="start">
          <div style={{ flex: 1 }}>{schema.items?.anyOf && typeof v === 'object' ? <Any path={`${path}[${i}]`} schema={schema.items} value={v} set={(x) => set(have.map((y, k) => (k === i ? x : y)))} />
            : <Word path={`${path}[${i}]`} hideLabel label={`${title} ${i + 1}`} value={v} set={(x) => set(have.map((y, k) => (k === i ? (x ?? '') : y)))} />}</div>
          <Remove what={`${title} ${i + 1}`} go={() => set(have.filter((_, k) => k !== i))} />
        </Group>
      ))}
      <div><Button size="compact-sm" variant="default" onClick={() => set([...have, ''])} aria-label={t('admin.addto', { what: title })}>{t('admin.add')}</Button></div>
    </Stack>
  )
}

// SpecForm is the whole spec of a resource, in sections.
export function SpecForm({ kind, schema, value, set }: { kind: string; schema: Schema; value: any; set: (v: any) => void }) {
  const { t } = useTranslation()
  const all = Object.keys(schema.properties ?? {})
  const named = (sections[kind] ?? []).map(([word, fields]) => [word, fields.filter((f) => all.includes(f))] as const)
  const rest = all.filter((f) => !hidden.has(f) && !named.some(([, fields]) => fields.includes(f)))
  return (
    <Stack>
      {[...named, [named.length ? 'more' : 'all', rest] as const].filter(([, f]) => f.length).map(([word, fields]) => (
        <Card key={word} withBorder component="section" aria-label={t('admin.section.' + word)}>
          <Title order={2} size="h5" mb="xs">{t('admin.section.' + word)}</Title>
          <Stack gap="sm">{fields.map((f) => <Field key={f} path={f} schema={schema.properties![f]!} value={value?.[f]} set={(v) => set({ ...value, [f]: v })} />)}</Stack>
        </Card>
      ))}
    </Stack>
  )
}
