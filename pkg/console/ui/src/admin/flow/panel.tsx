// One step in a form: its name, what it does, and where it leads.
import { Button, Card, Group, NativeSelect, Stack, Text, TextInput, Title } from '@mantine/core'
import { useEffect, useMemo, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { Any, Body, useFault } from '../form'
import type { Schema } from '../lib'
import { bare, type Outline, type Step } from './model'

// kindsOf are the kinds of steps that the schema knows.
export const kindsOf = (schema: Schema) => (schema.properties?.steps?.additionalProperties as Schema)?.oneOf?.map((o) => o.required![0]!) ?? []

export function Panel({ schema, graph, step, value, may, change, rename, lead, drop, start, whole }: {
  schema: Schema
  graph: Outline
  step: Step
  value: any
  may: boolean
  change: (is: any) => void
  rename: (to: string) => void
  lead: (path: string, to: string) => void
  drop: () => void
  start: () => void
  whole: () => void
}) {
  const { t } = useTranslation()
  const [name, setName] = useState(step.name)
  useEffect(() => setName(step.name), [step.name])
  const of = (schema.properties!.steps!.additionalProperties as Schema).properties!
  const kinds = useMemo(() => kindsOf(schema), [schema])
  const kind = kinds.find((k) => value && k in value)
  const body = kind ? of[kind]! : undefined
  const at = `steps.${step.name}`
  const own = useFault(at)
  const missing = useFault(at + '.next')
  const taken = graph.steps.some((s) => s.name === name && s.name !== step.name)
  const named = () => name && name !== step.name && !taken && rename(name)
  return (
    <Card withBorder component="section" aria-label={t('admin.flow.step', { name: step.name })}>
      <Stack gap="sm">
        <Group justify="space-between"><Title order={2} size="h5">{t('admin.flow.step', { name: step.name })}</Title><Group gap={4}><Button size="compact-sm" variant="default" onClick={whole}>{t('admin.flow.whole')}</Button>{may && <Button size="compact-sm" variant="default" onClick={drop}>{t('admin.remove')}</Button>}</Group></Group>
        {own && <Text size="sm" role="alert" c="var(--mantine-color-error)" lang="en">{own}</Text>}
        <fieldset disabled={!may} style={{ border: 0, padding: 0, margin: 0, minWidth: 0 }}>
          <Stack gap="sm">
            <TextInput label={t('admin.name')} value={name} error={taken ? t('admin.flow.taken') : undefined} onChange={(e) => setName(e.currentTarget.value.toLowerCase().replace(/[^a-z0-9_-]/g, '-'))} onBlur={named} onKeyDown={(e) => e.key === 'Enter' && named()} />
            <NativeSelect label={t('admin.flow.kind')} value={kind ?? ''} onChange={(e) => {
              const to = e.currentTarget.value
              const { [kind ?? '']: _, ...rest } = value ?? {}
              change(to ? { ...rest, [to]: bare[to] ?? {} } : rest)
            }} data={[...(kind ? [] : [{ value: '', label: t('admin.pick') }]), ...kinds.map((k) => ({ value: k, label: `${t('admin.step.' + k, { defaultValue: k })} (${k})` }))]} />
            <TextInput label={t('admin.flow.note')} value={value?.note ?? ''} onChange={(e) => change({ ...value, note: e.currentTarget.value || undefined })} />
            {kind && body && (body.anyOf && !body.type ? <Any path={`${at}.${kind}`} schema={body} value={value[kind]} set={(v) => change({ ...value, [kind]: v ?? {} })} /> : <Body path={`${at}.${kind}`} schema={body} value={value[kind]} set={(v) => change({ ...value, [kind]: v })} />)}
            {step.ways.length > 0 && <Title order={3} size="h6">{t('admin.flow.ways')}</Title>}
            {step.ways.map((w) => (
              <NativeSelect key={w.path} label={w.path} value={w.to ?? ''} error={w.path === 'next' ? missing : undefined} onChange={(e) => lead(w.path, e.currentTarget.value)}
                data={[{ value: '', label: w.open ? t('admin.flow.nowhere') : t('admin.flow.must') }, ...graph.steps.map((s) => s.name), ...(w.to && !graph.steps.some((s) => s.name === w.to) ? [w.to] : [])].map((o) => (typeof o === 'string' ? { value: o, label: o } : o))} />
            ))}
            {graph.start !== step.name && <div><Button size="compact-sm" variant="default" onClick={start}>{t('admin.flow.startHere')}</Button></div>}
          </Stack>
        </fieldset>
      </Stack>
    </Card>
  )
}
