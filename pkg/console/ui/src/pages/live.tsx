import { Button, Card, Group, NativeSelect, Stack, Text, TextInput, Title } from '@mantine/core'
import { memo, useCallback, useEffect, useMemo, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { Link } from 'wouter'
import { get, name as el, post, type Session } from '../api'
import { liveNow, onEvent, useLive, type Agent, type Call, type Caller, type Queue } from '../live'
import { Wrong, useTry } from '../parts/error'
import { Since, useNow } from '../parts/time'
import { Listening, useListening, type Mode } from '../super/listen'
import { Alarms, Pick, past, percent, seconds } from '../super/parts'
import { Rows } from '../super/rows'

type Ask = (path: string, body: object) => void
type Listen = (call: string, mode: Mode) => void
const states = ['ready', 'reserved', 'ringing', 'on_call', 'wrap_up', 'not_ready', 'offline']
const ROW = 41

// LivePage is what happens now: queues, people, callers, and what a supervisor does about it.
export function LivePage({ session }: { session: Session }) {
  const { t } = useTranslation()
  const { live } = useLive()
  const { run, wrong, forget } = useTry()
  const { listening, listen } = useListening(session, run)
  const ask = useCallback<Ask>((path, body) => void run(() => post(path, body)), [run])
  if (!live) return <Text>{t('loading')}</Text>
  return (
    <Stack>
      <Wrong wrong={wrong} forget={forget} />
      <Listening to={listening} />
      <Alarms alarms={live.alarms} queues={live.queues} />
      <Queues queues={live.queues} />
      <Waiting queues={live.queues} calls={live.calls} ask={ask} />
      <People agents={live.agents} calls={live.calls} ask={ask} listen={listen} listening={listening} />
      <Notices agents={live.agents} queues={live.queues} />
    </Stack>
  )
}

const queueColumns = ['live.queue', 'live.waiting', 'live.longest', 'super.slnow', 'super.sltoday', 'super.entered', 'super.abandoned', 'super.asa', 'super.callbacks', 'live.free', 'live.talking', 'live.wrapping', 'live.paused', 'live.in']
const help: Record<string, string> = { 'super.slnow': 'super.nowhelp', 'super.sltoday': 'super.slhelp' }

const Queues = memo(function Queues({ queues }: { queues: Queue[] }) {
  const { t } = useTranslation()
  return (
    <Card withBorder>
      <Title order={1} size="h4">{t('live.queues')}</Title>
      <div style={{ overflowX: 'auto' }} role="region" aria-label={t('live.queues')} tabIndex={0}>
        <table className="rows" style={{ minWidth: 1180 }}>
          <colgroup><col style={{ width: '13%' }} /></colgroup>
          <thead><tr>{queueColumns.map((k) => <th key={k} scope="col" title={help[k] && t(help[k])}>{t(k)}</th>)}</tr></thead>
          <tbody>{queues.map((q) => <QueueRow key={q.name} q={q} />)}</tbody>
        </table>
      </div>
    </Card>
  )
})

const QueueRow = memo(function QueueRow({ q }: { q: Queue }) {
  const now = useNow()
  const p = past(q, now)
  const mark = (is: boolean, what: React.ReactNode) => (is ? <span className="past">▲ {what}</span> : what)
  return (
    <tr data-queue={q.name}>
      <th scope="row">{q.display_name || q.name}</th>
      <td data-figure="waiting">{mark(p.waiting, q.waiting)}</td>
      <td className="tabular">{mark(p.longest, <Since at={q.oldest} />)}</td>
      <td className="tabular" data-figure="slnow">{mark(p.level(q.recent), percent(q.recent.service_level))}</td>
      <td className="tabular" data-figure="sltoday">{mark(p.level(q.today), percent(q.today.service_level))}</td>
      <td>{q.today.entered}</td>
      <td data-figure="abandoned">{q.today.abandoned}</td>
      <td className="tabular">{seconds(q.today.asa_s)}</td>
      <td>{q.callbacks ?? 0}</td>
      <td>{mark(p.ready, q.free)}</td>
      <td>{q.states.on_call ?? 0}</td>
      <td>{q.states.wrap_up ?? 0}</td>
      <td>{q.states.not_ready ?? 0}</td>
      <td>{q.logged_in}</td>
    </tr>
  )
})

type Waits = Caller & { queue: string; of?: Call }

const Waiting = memo(function Waiting({ queues, calls, ask }: { queues: Queue[]; calls: Call[]; ask: Ask }) {
  const { t } = useTranslation()
  const waits = useMemo<Waits[]>(() => {
    const by = new Map(calls.map((c) => [c.id, c]))
    return queues.flatMap((q) => (q.callers ?? []).map((c) => ({ ...c, queue: q.name, of: by.get(c.call_id) }))).sort((a, b) => (a.joined < b.joined ? -1 : 1))
  }, [queues, calls])
  return (
    <Card withBorder>
      <Title order={2} size="h4">{t('live.callers')}</Title>
      {waits.length === 0 ? <Text c="dimmed">{t('live.nobody')}</Text> : (
        <Rows items={waits} height={ROW} max={330} label={t('live.callers')} columns={6} widths={[14, 6, 22, 10, 8, 40]}
          head={<tr>{['live.queue', 'live.place', 'live.from', 'live.waits', 'super.priority'].map((k) => <th key={k} scope="col">{t(k)}</th>)}<th scope="col"><span className="visually-hidden">{t('live.actions')}</span></th></tr>}
          row={(c) => <WaitingRow key={c.call_id} id={c.call_id} queue={c.queue} position={c.position} from={c.of?.display || c.of?.from} joined={c.joined} priority={c.priority} callback={!!c.callback} ask={ask} />} />
      )}
    </Card>
  )
})

const WaitingRow = memo(function WaitingRow({ id, queue, position, from, joined, priority, callback, ask }: { id: string; queue: string; position: number; from?: string; joined: string; priority: number; callback: boolean; ask: Ask }) {
  const { t } = useTranslation()
  const at = `/calls/${el(id)}/`
  return (
    <tr style={{ height: ROW }} data-caller={id}>
      <td>{queue}</td>
      <td>{position}</td>
      <td><Link href={'/calls/' + id}>{callback ? '↩ ' : ''}{from || t('call.unknown')}</Link></td>
      <td><Since at={joined} /></td>
      <td>{priority}</td>
      <td className="does">
        <Pick label={t('super.pull')} options={() => liveNow().agents.filter((a) => ['ready', 'on_call', 'wrap_up'].includes(a.state)).map((a) => ({ value: a.name, label: `${a.name} (${t('agent.' + a.state)})` }))} pick={(agent) => ask(at + 'assign', { agent })} />
        <Pick label={t('super.move')} disabled={callback} options={() => liveNow().queues.filter((q) => q.name !== queue).map((q) => ({ value: q.name, label: q.display_name || q.name }))} pick={(to) => ask(at + 'move', { queue: to })} />
        <button className="mini" onClick={() => ask(at + 'priority', { priority: Math.min(1000, priority + 10) })}>{t('super.sooner')}</button>
        <button className="mini" onClick={() => ask(at + 'priority', { priority: Math.max(-1000, priority - 10) })}>{t('super.later')}</button>
      </td>
    </tr>
  )
})

const People = memo(function People({ agents, calls, ask, listen, listening }: { agents: Agent[]; calls: Call[]; ask: Ask; listen: Listen; listening?: { call: string; mode: Mode } }) {
  const { t } = useTranslation()
  const [text, setText] = useState('')
  const [state, setState] = useState('')
  const talks = useMemo(() => {
    const by = new Map(calls.map((c) => [c.id, c]))
    const of = new Map<string, Call>()
    for (const c of calls) if (c.agent && (c.state === 'talking' || c.state === 'hold')) of.set(c.agent, c)
    for (const a of agents) for (const id of a.calls ?? []) if (by.has(id)) of.set(a.name, by.get(id)!)
    return of
  }, [agents, calls])
  const shown = useMemo(() => agents.filter((a) => (!state || a.state === state) && (!text || a.name.includes(text.toLowerCase()) || a.queues.some((q) => q.includes(text.toLowerCase())))), [agents, state, text])
  return (
    <Card withBorder>
      <Group justify="space-between" align="end" mb="xs">
        <Title order={2} size="h4">{t('live.agents')}</Title>
        <Group align="end">
          <Text size="sm" c="dimmed">{t('super.shown', { n: shown.length, all: agents.length })}</Text>
          <TextInput size="xs" label={t('super.find')} value={text} onChange={(e) => setText(e.currentTarget.value)} />
          <NativeSelect size="xs" label={t('live.state')} value={state} onChange={(e) => setState(e.currentTarget.value)} data={[{ value: '', label: t('super.all') }, ...states.map((s) => ({ value: s, label: t('agent.' + s) }))]} />
        </Group>
      </Group>
      <Rows items={shown} height={ROW} max={620} label={t('live.agents')} columns={5} widths={[19, 20, 8, 18, 35]}
        head={<tr>{['agent', 'state', 'since', 'caller'].map((k) => <th key={k} scope="col">{t('live.' + k)}</th>)}<th scope="col"><span className="visually-hidden">{t('live.actions')}</span></th></tr>}
        row={(a) => { const c = a.state === 'offline' ? undefined : talks.get(a.name); return <Person key={a.name} a={a} call={c?.id} from={c?.display || c?.from} ask={ask} listen={listen} mode={listening && c?.id === listening.call ? listening.mode : undefined} /> }} />
    </Card>
  )
})

type Words = (key: string) => string

// choices are what a supervisor may ask of an agent, and of the agent's call.
const choices = (t: Words, a: Agent, call?: string) => [
  { value: 'ready', label: t('agent.ready') },
  { value: 'not_ready', label: t('agent.not_ready') },
  ...(a.state === 'wrap_up' ? [{ value: 'wrap_up_done', label: t('desk.done') }] : []),
  { value: 'offline', label: t('agent.offline') },
  ...(call ? [{ value: 'off', label: t('super.stop') }, { value: 'hangup', label: t('phone.hangup') }] : []),
]

function act(ask: Ask, a: Agent, call: string | undefined, does: string) {
  if (does === 'off') ask(`/calls/${el(call!)}/supervise`, { mode: 'off' })
  else if (does === 'hangup') ask(`/calls/${el(call!)}/hangup`, {})
  else ask(`/agents/${el(a.name)}/state`, { state: does, ...(does === 'not_ready' ? { reason: 'supervisor' } : {}), ...(does === 'wrap_up_done' ? { by: 'supervisor' } : {}) })
}

const Person = memo(function Person({ a, call, from, ask, listen, mode: heard }: { a: Agent; call?: string; from?: string; ask: Ask; listen: Listen; mode?: Mode }) {
  const { t } = useTranslation()
  return (
    <tr data-agent={a.name} style={{ height: ROW }}>
      <th scope="row">{a.name}{!a.reachable && a.state !== 'offline' ? ` (${t('live.unreachable')})` : ''}{a.notices ? ` · ${t('super.unread', { n: a.notices })}` : ''}</th>
      <td><span className="state" data-state={a.state}>{t('agent.' + a.state)}</span> {a.reason && t('reason.' + a.reason, { defaultValue: a.reason })}</td>
      <td><Since at={a.since} /></td>
      <td>{call && <Link href={'/calls/' + call}>{from || t('call.unknown')}</Link>}</td>
      <td>
        <span className="does">
          {call && (['monitor', 'whisper', 'barge'] as const).map((mode) => (
            <button key={mode} className="mini" aria-pressed={heard === mode} onClick={() => listen(call, mode)}>{t('live.' + mode)}</button>
          ))}
          <Pick label={t('live.set')} name={a.name} options={() => choices(t, a, call)} pick={(does) => act(ask, a, call, does)} />
        </span>
      </td>
    </tr>
  )
})

interface Notice { id: string; at: string; by: string; to: string; text: string; agents: string[]; read: Record<string, string> }

// Notices are what agents are told at their desks, and who has read it.
const Notices = memo(function Notices({ agents, queues }: { agents: Agent[]; queues: Queue[] }) {
  const { t, i18n } = useTranslation()
  const [to, setTo] = useState('all')
  const [text, setText] = useState('')
  const [sent, setSent] = useState<Notice[]>([])
  const { run, wrong, busy, forget } = useTry()
  const look = useCallback(() => get<{ notices: Notice[] }>('/notices?limit=5').then((r) => setSent(r.notices), () => {}), [])
  useEffect(() => {
    void look()
    return onEvent((e) => void (e.kind.startsWith('notice.') && look()))
  }, [look])
  const send = (e: React.FormEvent) => {
    e.preventDefault()
    void run(async () => {
      await post('/notices', { to, text })
      setText('')
      await look()
    })
  }
  const names = agents.map((a) => a.name).join(',')
  const choices = useMemo(() => [
    { value: 'all', label: t('super.everybody') },
    { group: t('live.queues'), items: queues.map((q) => ({ value: 'queue:' + q.name, label: q.display_name || q.name })) },
    { group: t('live.agents'), items: names.split(',').filter(Boolean).map((n) => ({ value: 'agent:' + n, label: n })) },
  ], [names, queues.length, t])
  return (
    <Card withBorder>
      <Title order={2} size="h4">{t('super.notice')}</Title>
      <Wrong wrong={wrong} forget={forget} />
      <Group component="form" onSubmit={send} align="end">
        <NativeSelect label={t('calls.to')} value={to} onChange={(e) => setTo(e.currentTarget.value)} data={choices} />
        <TextInput label={t('super.text')} value={text} onChange={(e) => setText(e.currentTarget.value)} maxLength={1000} flex={1} miw={220} />
        <Button type="submit" loading={busy} disabled={!text.trim()}>{t('super.send')}</Button>
      </Group>
      {sent.map((n) => (
        <Text key={n.id} size="sm" mt={4} data-notice={n.id}>
          <b>{new Date(n.at).toLocaleTimeString(i18n.language)} {n.by} → {n.to}:</b> {n.text} <Text span c="dimmed">({t('super.readby', { n: Object.keys(n.read).length, all: n.agents.length })})</Text>
        </Text>
      ))}
    </Card>
  )
})
