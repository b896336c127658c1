// The editor of flows: the picture, one step in a form, the text beside them, and all
// that is done with a flow before callers hear it.
import { Alert, Anchor, Badge, Button, Card, Code, Group, List, NativeSelect, Stack, Text, TextInput, Textarea, Title } from '@mantine/core'
import { useEffect, useMemo, useRef, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { Link } from 'wouter'
import { del, get, name as el, post, Problem, send } from '../../api'
import { Wrong, useTry } from '../../parts/error'
import { Faults } from '../form'
import { useSchema, type ApplyResult, type Fault } from '../lib'
import { Told } from '../resource'
import { Picture, type Figures } from './graph'
import { addStep, bare, dropStep, lead, parse, rename, setStep, setTop, type Outline } from './model'
import { kindsOf, Panel } from './panel'
import { Rehearse } from './rehearse'
import { Lines, Versions } from './versions'

interface Check {
  changes: string[]
  faults: Fault[]
  graph: Outline
}
interface TestResult {
  test: string
  wrong?: string[]
  end: string
}

const CHECK_MS = 350
const empty = 'start: greeting\nsteps:\n  greeting:\n    play: [welcome]\n    next: end\n  end:\n    hangup: normal\n'
const views = ['step', 'yaml', 'tests', 'rehearse', 'versions'] as const

export function FlowEditor({ name, may }: { name: string; may: boolean }) {
  const { t } = useTranslation()
  const schema = useSchema('flow')
  const [text, setText] = useState<string>()
  const [past, setPast] = useState<string[]>([])
  const [kept, setKept] = useState('')
  const [live, setLive] = useState<{ version: number; spec: string }>()
  const [draft, setDraft] = useState<{ at: string; by: string; base?: number }>()
  const [check, setCheck] = useState<Check>()
  const [broken, setBroken] = useState<string>()
  const [selected, setSelected] = useState<string>()
  const [view, setView] = useState<(typeof views)[number]>('step')
  const [here, setHere] = useState<string>()
  const [figures, setFigures] = useState<Figures>()
  const [since, setSince] = useState('')
  const [tests, setTests] = useState<TestResult[]>()
  const [plan, setPlan] = useState<ApplyResult & { refused?: string; behind?: boolean }>()
  const [turn, setTurn] = useState(0)
  const [fresh, setFresh] = useState('')
  const [freshKind, setFreshKind] = useState('play')
  const asked = useRef(0)
  const { run, wrong, busy, forget } = useTry()
  const at = '/flows/' + el(name)

  useEffect(() => {
    let here = true
    const none = (e: unknown) => {
      if (e instanceof Problem && e.status === 404) return undefined
      throw e
    }
    void run(async () => {
      const [l, d] = await Promise.all([get<{ version: number; spec: string }>(at).catch(none), get<{ spec: string; at: string; by: string; version?: number }>(at + '?draft=true').catch(none)])
      if (!here) return
      setLive(l)
      setDraft(d && { at: d.at, by: d.by, base: d.version })
      setText((old) => (turn > 0 && old !== undefined ? old : (d?.spec ?? l?.spec ?? empty)))
      setKept(d?.spec ?? l?.spec ?? '')
    })
    return () => void (here = false)
  }, [name, turn])

  // The server says what is wrong and how it looks, while one types.
  useEffect(() => {
    if (text === undefined) return
    const mine = ++asked.current
    const timer = setTimeout(async () => {
      try {
        const c = (await send<Check>('POST', at + '/check', text, { 'Content-Type': 'application/yaml' })).data
        if (mine !== asked.current) return
        setCheck(c)
        setBroken(undefined)
      } catch (e) {
        if (mine === asked.current) setBroken((e as Error).message)
      }
    }, check ? CHECK_MS : 0)
    return () => clearTimeout(timer)
  }, [text])

  const dirty = text !== undefined && text !== kept
  useEffect(() => {
    if (!dirty) return
    const stay = (e: BeforeUnloadEvent) => e.preventDefault()
    addEventListener('beforeunload', stay)
    return () => removeEventListener('beforeunload', stay)
  }, [dirty])

  const value = useMemo(() => (text === undefined ? undefined : parse(text)), [text])
  if (!schema || text === undefined || !check) return <><Wrong wrong={wrong} forget={forget} />{broken && <Alert color="red" role="alert"><Code block>{broken}</Code></Alert>}{!wrong && !broken && t('loading')}{broken && text !== undefined && <Textarea label="YAML" autosize value={text} onChange={(e) => setText(e.currentTarget.value)} />}</>

  const write = (next: string) => {
    if (next === text || !may) return
    setPast((p) => [...p.slice(-99), text])
    setText(next)
    setPlan(undefined)
    setTests(undefined)
  }
  const errors = check.faults.filter((f) => !f.warning).length
  const step = check.graph.steps.find((s) => s.name === selected)
  const inStep = (f: Fault) => check.graph.steps.some((s) => f.path === 'steps.' + s.name || f.path.startsWith(`steps.${s.name}.`))

  const keep = () =>
    run(async () => {
      await send('PUT', at + '/draft', text, { 'Content-Type': 'application/yaml' })
      setKept(text)
      setTurn((n) => n + 1)
    })
  const publish = (o: { dry_run?: boolean; overwrite?: boolean; version?: number }) =>
    run(async () => {
      try {
        if (!o.version && (dirty || !draft)) {
          await send('PUT', at + '/draft', text, { 'Content-Type': 'application/yaml' })
          setKept(text)
        }
        const r = await post<ApplyResult>(at + '/publish', o)
        if (o.dry_run) {
          setTurn((n) => n + 1)
          return setPlan(r)
        }
        setPlan(undefined)
        const l = await get<{ version: number; spec: string }>(at)
        setLive(l)
        setText(l.spec)
        setKept(l.spec)
        setPast([])
        setTurn((n) => n + 1)
      } catch (e) {
        if (!(e instanceof Problem)) throw e
        setPlan({ revision: 0, changes: [], faults: (e.result?.faults ?? []) as Fault[], applied: false, refused: e.message, behind: e.status === 409 })
      }
    })
  const test = () =>
    run(async () => {
      if (dirty || !draft) {
        await send('PUT', at + '/draft', text, { 'Content-Type': 'application/yaml' })
        setKept(text)
        setTurn((n) => n + 1)
      }
      setTests((await post<{ items: TestResult[] }>(at + '/test?draft=true')).items)
    })
  const figuresOf = (days: string) =>
    run(async () => {
      setSince(days)
      if (!days) return setFigures(undefined)
      const from = new Date(Date.now() - Number(days) * 864e5).toISOString()
      setFigures(await get<Figures>(`${at}/figures?from=${encodeURIComponent(from)}&to=${encodeURIComponent(new Date().toISOString())}`))
    })
  const add = () => {
    if (!fresh || check.graph.steps.some((s) => s.name === fresh)) return
    write(addStep(text, fresh, { [freshKind]: bare[freshKind] ?? {} }))
    setSelected(fresh)
    setView('step')
    setFresh('')
  }

  return (
    <Faults.Provider value={check.faults}>
      <Stack gap="sm">
        <Group justify="space-between">
          <Title order={1} size="h4"><Anchor component={Link} href="/admin/flows">{t('admin.page.flows')}</Anchor> / {name}</Title>
          <Group gap="xs">
            <Badge color={live ? 'green' : 'gray'} variant="filled">{live ? t('admin.flow.version', { version: live.version }) : t('admin.flow.never')}</Badge>
            {draft && <Badge color="blue" variant="outline">{t('admin.flow.draftby', { by: draft.by })}</Badge>}
            {dirty && <Badge color="orange" variant="outline" role="status">{t('admin.unsaved')}</Badge>}
            <Badge color={errors ? 'red' : 'green'} variant="filled" role="status" data-faults={errors}>{errors ? t('admin.faults', { count: errors }) : t('admin.flow.good')}</Badge>
            {may && <Button size="xs" variant="default" disabled={past.length === 0} onClick={() => { setText(past.at(-1)); setPast(past.slice(0, -1)) }}>{t('admin.undo')}</Button>}
            {may && draft && <Button size="xs" variant="default" onClick={() => confirm(t('admin.flow.reallydrop')) && run(async () => { await del(at + '/draft'); setText(live?.spec ?? empty); setKept(live?.spec ?? ''); setPast([]); setTurn(turn + 1) })}>{t('admin.flow.drop')}</Button>}
            {may && <Button size="xs" variant="default" loading={busy} disabled={!dirty} onClick={keep}>{t('admin.flow.keep')}</Button>}
            {may && <Button size="xs" loading={busy} disabled={!!broken || errors > 0} onClick={() => publish({ dry_run: true })}>{t('admin.flow.publish')}</Button>}
          </Group>
        </Group>
        <Wrong wrong={wrong} forget={forget} />
        {broken && <Alert color="red" role="alert" title={t('admin.flow.broken')}><Code block>{broken}</Code></Alert>}
        {plan && (
          <Alert color={plan.refused ? 'red' : 'blue'} role="group" aria-label={t('admin.flow.publish')} title={plan.refused ? t('admin.refused') : t('admin.flow.would')} withCloseButton closeButtonLabel={t('close')} onClose={() => setPlan(undefined)}>
            {plan.refused && <Text size="sm" lang="en">{plan.refused}</Text>}
            <Told faults={plan.faults ?? []} />
            <List size="sm">{plan.changes.map((c) => <List.Item key={c}><Code>{c}</Code></List.Item>)}</List>
            <Lines was={live?.spec ?? ''} is={text} />
            <Text size="xs" c="dimmed" mt="xs">{t('admin.flow.comments')}</Text>
            <Group mt="xs">
              {!plan.refused && plan.changes.length > 0 && <Button size="xs" loading={busy} onClick={() => publish({})}>{t('admin.flow.publishit')}</Button>}
              {plan.behind && <Button size="xs" color="red" loading={busy} onClick={() => publish({ overwrite: true })}>{t('admin.flow.overwrite')}</Button>}
            </Group>
          </Alert>
        )}
        <Told faults={check.faults} shown={(f) => inStep(f) || (!!f.warning && /^\w+ "/.test(f.path))} />
        <div style={{ display: 'flex', gap: 12, alignItems: 'stretch', flexWrap: 'wrap' }}>
          <div style={{ flex: '1 1 520px', minWidth: 0 }}>
            <Group mb="xs" align="end" gap="xs">
              {may && (
                <Group component="form" gap="xs" align="end" onSubmit={(e: React.FormEvent) => { e.preventDefault(); add() }}>
                  <TextInput size="xs" w={130} label={t('admin.flow.newstep')} value={fresh} onChange={(e) => setFresh(e.currentTarget.value.toLowerCase().replace(/[^a-z0-9_-]/g, '-'))} />
                  <NativeSelect size="xs" w={170} label={t('admin.flow.kind')} value={freshKind} onChange={(e) => setFreshKind(e.currentTarget.value)} data={kindsOf(schema).map((k) => ({ value: k, label: t('admin.step.' + k, { defaultValue: k }) }))} />
                  <Button size="xs" type="submit" variant="default" disabled={!fresh}>{t('admin.add')}</Button>
                </Group>
              )}
              <NativeSelect size="xs" label={t('admin.flow.figures')} value={since} onChange={(e) => figuresOf(e.currentTarget.value)} data={[{ value: '', label: t('admin.off') }, ...['1', '7', '30'].map((d) => ({ value: d, label: t('admin.days', { count: Number(d) }) }))]} />
              {figures && <Text size="xs">{t('admin.flow.calls', { calls: figures.calls, left: figures.left })}</Text>}
            </Group>
            <Card withBorder p={0} style={{ height: 620 }} role="region" aria-label={t('admin.flow.picture')}>
              <Picture graph={check.graph} faults={check.faults} figures={figures} selected={selected} here={here} may={may}
                select={(n) => { setSelected(n); if (n && view !== 'rehearse' && view !== 'yaml') setView('step') }}
                lead={(s, p, to) => write(lead(text, s, p, to))} drop={(n) => write(dropStep(text, check.graph, n))} />
            </Card>
            <Text size="xs" c="dimmed" mt={4}>{t('admin.flow.howto')}</Text>
          </div>
          <div style={{ flex: '1 1 340px', maxWidth: 560, minWidth: 0 }}>
            <Group gap={4} mb="xs" role="group" aria-label={t('admin.flow.views')}>{views.map((v) => <Button key={v} size="compact-sm" variant={view === v ? 'filled' : 'default'} aria-pressed={view === v} onClick={() => setView(v)}>{t('admin.flow.view.' + v)}</Button>)}</Group>
            <div style={{ maxHeight: 680, overflowY: 'auto' }} tabIndex={0} role="region" aria-label={t('admin.flow.view.' + view)}>
              {view === 'step' && (step
                ? <Panel schema={schema} graph={check.graph} step={step} value={value?.steps?.[step.name]} may={may} change={(is) => write(setStep(text, step.name, value?.steps?.[step.name], is))} rename={(to) => { write(rename(text, check.graph, step.name, to)); setSelected(to) }}
                    lead={(p, to) => write(lead(text, step.name, p, to))} drop={() => confirm(t('admin.reallyremove', { what: step.name })) && (write(dropStep(text, check.graph, step.name)), setSelected(undefined))} start={() => write(setTop(text, 'start', step.name))} whole={() => setSelected(undefined)} />
                : (
                  <Card withBorder component="section" aria-label={t('admin.flow.whole')}>
                    <Stack gap="sm">
                      <Title order={2} size="h5">{t('admin.flow.whole')}</Title>
                      <TextInput label={t('admin.summary')} value={value?.description ?? ''} readOnly={!may} onChange={(e) => write(setTop(text, 'description', e.currentTarget.value))} />
                      <TextInput label={t('language')} value={value?.language ?? ''} readOnly={!may} onChange={(e) => write(setTop(text, 'language', e.currentTarget.value))} />
                      <NativeSelect label={t('admin.flow.start')} value={check.graph.start ?? ''} disabled={!may} onChange={(e) => write(setTop(text, 'start', e.currentTarget.value))} data={['', ...check.graph.steps.map((s) => s.name)]} />
                      <NativeSelect label={t('admin.flow.go')} value="" onChange={(e) => setSelected(e.currentTarget.value || undefined)} data={[{ value: '', label: t('admin.pick') }, ...check.graph.steps.map((s) => ({ value: s.name, label: s.name }))]} />
                    </Stack>
                  </Card>
                ))}
              {view === 'yaml' && <Textarea label="YAML" description={t('admin.flow.yamlhelp')} autosize minRows={24} value={text} readOnly={!may} onChange={(e) => write(e.currentTarget.value)} spellCheck={false} styles={{ input: { fontFamily: 'monospace', fontSize: 12, whiteSpace: 'pre', overflowX: 'auto' } }} />}
              {view === 'tests' && (
                <Card withBorder component="section" aria-label={t('admin.flow.tests')}>
                  <Stack gap="xs">
                    <Title order={2} size="h5">{t('admin.flow.tests')}</Title>
                    <Text size="sm" c="dimmed">{t('admin.flow.testshelp', { count: value?.tests?.length ?? 0 })}</Text>
                    {may && <div><Button size="xs" loading={busy} onClick={test}>{t('admin.flow.runtests')}</Button></div>}
                    <List size="sm">{tests?.map((r) => <List.Item key={r.test}><Badge color={r.wrong?.length ? 'red' : 'green'} variant="filled">{t(r.wrong?.length ? 'admin.flow.failedone' : 'admin.flow.passed')}</Badge> {r.test}: {r.wrong?.join('; ') ?? r.end}</List.Item>)}</List>
                  </Stack>
                </Card>
              )}
              {view === 'rehearse' && <Rehearse flow={name} text={text} graph={check.graph} here={(s) => setHere(s)} />}
              {view === 'versions' && <Versions flow={name} text={text} may={may} changed={turn} back={(version) => publish({ version })} />}
            </div>
          </div>
        </div>
      </Stack>
    </Faults.Provider>
  )
}
