// One resource in a form: checked by the server as one types, saved against the revision
// that was loaded.
import { Alert, Anchor, Badge, Button, Card, Code, Group, List, Stack, Table, Text, TextInput, Title } from '@mantine/core'
import { useEffect, useMemo, useRef, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { Link, useLocation } from 'wouter'
import { get, name as el, Problem, send } from '../api'
import { Wrong, useTry } from '../parts/error'
import { Diff } from './diff'
import { Faults, SpecForm } from './form'
import { human } from './layout'
import { differences, inSpec, list, load, put, remove, save, tidy, useSchema, type Change, type Fault, type Resource } from './lib'

export const useKind = () => {
  const { t } = useTranslation()
  return (kind: string) => t('admin.kind.' + kind, { defaultValue: human(kind) })
}

// Told lists faults, of this resource or of others, with where they are.
export function Told({ faults, shown }: { faults: Fault[]; shown?: (f: Fault) => boolean }) {
  const { t } = useTranslation()
  const rest = faults.filter((f) => !shown?.(f))
  if (!rest.length) return null
  const wrong = rest.some((f) => !f.warning)
  return (
    <Alert color={wrong ? 'red' : 'yellow'} role="status" title={t(wrong ? 'admin.faults' : 'admin.warnings', { count: rest.length })}>
      <List size="sm">{rest.map((f, i) => <List.Item key={i}>{f.line ? <Code>{f.line}</Code> : null} {f.path && <Code>{f.path}</Code>} <span lang="en">{f.message}</span></List.Item>)}</List>
    </Alert>
  )
}

// summary is what stands beside a name in a list.
function summary(kind: string, s: any): string {
  const one = [s.display_name, s.digits, s.extension && `☎ ${s.extension}`, s.target, s.url, s.flow && `→ ${s.flow}`, s.queue && `→ ${s.queue}`, s.roles?.join(', '), s.device, s.time_zone]
  if (kind === 'queue') one.push((s.members ?? []).map((m: any) => m.agent).join(', '))
  return one.filter(Boolean).join(' · ')
}

export function ResourceList({ kind, may }: { kind: string; may: boolean }) {
  const { t } = useTranslation()
  const label = useKind()
  const [items, set] = useState<Resource[]>()
  const [find, setFind] = useState('')
  const { run, wrong, forget } = useTry()
  useEffect(() => {
    set(undefined)
    void run(async () => set(await list(kind)))
  }, [kind])
  const shown = items?.filter((r) => !find || JSON.stringify([r.name, r.spec]).toLowerCase().includes(find.toLowerCase()))
  return (
    <Stack>
      <Group justify="space-between">
        <Title order={1} size="h4">{label(kind)}</Title>
        <Group>
          <TextInput aria-label={t('admin.find')} placeholder={t('admin.find')} value={find} onChange={(e) => setFind(e.currentTarget.value)} />
          {may && kind !== 'tenant' && <Button component={Link} href={`/admin/${kind}/+`}>{t('admin.new')}</Button>}
        </Group>
      </Group>
      <Wrong wrong={wrong} forget={forget} />
      <Card withBorder>
        {!items ? <Text>{t('loading')}</Text> : shown!.length === 0 ? <Text c="dimmed">{t('admin.nothing')}</Text> : (
          <Table>
            <Table.Thead><Table.Tr><Table.Th>{t('admin.name')}</Table.Th><Table.Th>{t('admin.summary')}</Table.Th><Table.Th>{t('admin.revision')}</Table.Th></Table.Tr></Table.Thead>
            <Table.Tbody>{shown!.map((r) => (
              <Table.Tr key={r.name}>
                <Table.Td><Anchor component={Link} href={`/admin/${kind}/${el(r.name)}`}>{r.name}</Anchor></Table.Td>
                <Table.Td>{summary(kind, r.spec)}</Table.Td>
                <Table.Td>{r.revision || '–'}</Table.Td>
              </Table.Tr>
            ))}</Table.Tbody>
          </Table>
        )}
      </Card>
    </Stack>
  )
}

const CHECK_MS = 400

export function ResourcePage({ kind, name, may }: { kind: string; name: string; may: boolean }) {
  const { t } = useTranslation()
  const label = useKind()
  const schema = useSchema(kind)
  const [, go] = useLocation()
  const fresh = name === '+'
  const [called, setCalled] = useState('')
  const [loaded, setLoaded] = useState<Record<string, any>>()
  const [spec, setSpec] = useState<Record<string, any>>({})
  const [etag, setEtag] = useState('')
  const [faults, setFaults] = useState<Fault[]>([])
  const [changes, setChanges] = useState<string[]>([])
  const [conflict, setConflict] = useState<{ theirs: Resource; etag: string; last?: Change }>()
  const [kept, setKept] = useState<number>()
  const [yaml, setYaml] = useState(false)
  const asked = useRef(0)
  const { run, wrong, busy, forget } = useTry()
  const own = fresh ? called : name

  const fetch = () =>
    run(async () => {
      if (fresh) return setLoaded({})
      const r = await load(kind, name)
      setLoaded(r.data.spec)
      setSpec(r.data.spec)
      setEtag(r.etag)
    })
  useEffect(() => {
    setLoaded(undefined)
    setConflict(undefined)
    setFaults([])
    setSpec({})
    void fetch()
  }, [kind, name])

  const body = useMemo(() => tidy(spec) ?? {}, [spec])
  const dirty = loaded !== undefined && (fresh ? called !== '' || differences({}, body).length > 0 : differences(tidy(loaded) ?? {}, body).length > 0)

  // The server checks what stands in the form, as an apply would.
  useEffect(() => {
    if (!dirty || !own || !may) return setFaults([])
    const turn = ++asked.current
    const timer = setTimeout(async () => {
      try {
        const r = await put(kind, own, body, { dry: true })
        if (turn !== asked.current) return
        setFaults(r.faults ?? [])
        setChanges(r.changes)
      } catch (e) {
        if (turn !== asked.current) return
        if (e instanceof Problem && e.result?.faults) setFaults(e.result.faults)
        else setFaults([{ path: '', message: (e as Error).message }])
        setChanges([])
      }
    }, CHECK_MS)
    return () => clearTimeout(timer)
  }, [body, dirty, own, kind])

  // Nobody loses what was typed by a closed tab.
  useEffect(() => {
    if (!dirty) return
    const stay = (e: BeforeUnloadEvent) => e.preventDefault()
    addEventListener('beforeunload', stay)
    return () => removeEventListener('beforeunload', stay)
  }, [dirty])

  const local = faults.flatMap((f) => {
    const path = inSpec(f, kind, own)
    return path === undefined ? [] : [{ ...f, path }]
  })
  const fields = schema?.properties ?? {}
  const placed = (f: Fault) => {
    const path = inSpec(f, kind, own)
    if (path === undefined) return !!f.warning // what others are warned of is not of this form
    return !f.warning && !!path && /^\w+/.exec(path)![0] in fields
  }

  const keep = (over?: string) =>
    run(async () => {
      try {
        const r = await put(kind, own, body, fresh ? { fresh: true } : { etag: over ?? etag })
        setConflict(undefined)
        setKept(r.revision)
        setFaults(r.faults ?? [])
        if (fresh) return go(`/admin/${kind}/${el(own)}`, { replace: true })
        const now = await load(kind, own)
        setLoaded(now.data.spec)
        setSpec(now.data.spec)
        setEtag(now.etag)
      } catch (e) {
        if (e instanceof Problem && e.status === 412 && !fresh) {
          const theirs = await load(kind, own)
          const history = await get<{ items: Change[] }>(`/resources/${el(kind)}/${el(own)}/history`)
          setConflict({ theirs: theirs.data, etag: theirs.etag, last: history.items[0] })
          return
        }
        if (e instanceof Problem && e.result?.faults) setFaults(e.result.faults)
        throw e
      }
    })
  const drop = () =>
    run(async () => {
      try {
        if (!confirm(t('admin.reallyremove', { what: own }))) return
        await remove(kind, own, etag)
        go('/admin/' + kind)
      } catch (e) {
        if (e instanceof Problem && e.result?.faults) setFaults(e.result.faults)
        throw e
      }
    })

  if (!schema || (!loaded && !wrong)) return <Text>{t('loading')}</Text>
  return (
    <Faults.Provider value={local}>
      <Stack component="form" onSubmit={(e: React.FormEvent) => { e.preventDefault(); void keep() }}>
        <Group justify="space-between">
          <Title order={1} size="h4"><Anchor component={Link} href={'/admin/' + kind}>{label(kind)}</Anchor> / {fresh ? t('admin.new') : name}</Title>
          <Group>
            {dirty && <Badge color="orange" role="status">{t('admin.unsaved')}</Badge>}
            {!dirty && kept !== undefined && <Badge color="green" role="status">{t('admin.saved', { revision: kept })}</Badge>}
            {!fresh && <Button variant="default" component={Link} href={`/admin/history?kind=${kind}&name=${el(name)}`}>{t('admin.history')}</Button>}
            {!fresh && <Button variant="default" onClick={() => setYaml(!yaml)} aria-expanded={yaml}>YAML</Button>}
            {may && !fresh && kind !== 'tenant' && <Button variant="default" onClick={drop}>{t('admin.remove')}</Button>}
            {may && <Button type="submit" loading={busy} disabled={!dirty || !own || local.some((f) => !f.warning)}>{t('admin.save')}</Button>}
          </Group>
        </Group>
        {yaml && <Yaml kind={kind} name={name} />}
        <Wrong wrong={wrong} forget={forget} />
        {conflict && (
          <Alert color="orange" role="alert" title={t('admin.conflict.title')}>
            <Text size="sm">{t('admin.conflict.text', { by: conflict.last?.by ?? '?', at: conflict.last ? new Date(conflict.last.at).toLocaleString() : '?', revision: conflict.theirs.revision })}</Text>
            <Text size="sm" fw={700} mt="xs">{t('admin.conflict.theirs')}</Text>
            <Diff was={tidy(loaded)} is={tidy(conflict.theirs.spec)} />
            <Text size="sm" fw={700} mt="xs">{t('admin.conflict.yours')}</Text>
            <Diff was={tidy(loaded)} is={body} />
            <Group mt="xs">
              <Button size="xs" onClick={() => {
                // Mine on top of theirs: field by field, so that both stay where they do not meet.
                setSpec({ ...conflict.theirs.spec, ...Object.fromEntries(Object.keys({ ...loaded, ...spec }).filter((k) => JSON.stringify(spec[k]) !== JSON.stringify(loaded?.[k])).map((k) => [k, spec[k]])) })
                setLoaded(conflict.theirs.spec)
                setEtag(conflict.etag)
                setConflict(undefined)
              }}>{t('admin.conflict.merge')}</Button>
              <Button size="xs" variant="default" onClick={() => {
                setSpec(conflict.theirs.spec)
                setLoaded(conflict.theirs.spec)
                setEtag(conflict.etag)
                setConflict(undefined)
              }}>{t('admin.conflict.take')}</Button>
              <Button size="xs" variant="default" onClick={() => keep(conflict.etag)}>{t('admin.conflict.over')}</Button>
            </Group>
          </Alert>
        )}
        <Told faults={faults.map(({ line: _, ...f }) => f)} shown={placed} />
        {fresh && <TextInput label={t('admin.name')} description={t('admin.namehelp')} value={called} onChange={(e) => setCalled(e.currentTarget.value.trim())} maw={360} required autoFocus />}
        <fieldset disabled={!may} style={{ border: 0, margin: 0, padding: 0, minWidth: 0 }}><SpecForm kind={kind} schema={schema} value={spec} set={setSpec} /></fieldset>
        {dirty && changes.length > 0 && <Card withBorder><Title order={2} size="h5">{t('admin.wouldchange')}</Title><List size="sm">{changes.map((c) => <List.Item key={c}><Code>{c}</Code></List.Item>)}</List></Card>}
      </Stack>
    </Faults.Provider>
  )
}

// Yaml is the document that the form writes, to read, copy and keep.
function Yaml({ kind, name }: { kind: string; name: string }) {
  const { t } = useTranslation()
  const [text, set] = useState('')
  useEffect(() => void send<string>('GET', `/resources?kind=${el(kind)}&name=${el(name)}`).then((r) => set(r.data), () => {}), [kind, name])
  return <Card withBorder><Code block tabIndex={0}>{text}</Code><Group mt="xs"><Button size="xs" variant="default" onClick={() => save(text, `${kind}-${name}.yaml`)}>{t('admin.download')}</Button></Group></Card>
}
