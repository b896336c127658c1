import { Alert, Badge, Button, Card, Grid, Group, Menu, Stack, Table, Text, TextInput, Title } from '@mantine/core'
import { useHotkeys } from '@mantine/hooks'
import { Suspense, lazy, useEffect, useRef, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { Link } from 'wouter'
import { get, name as el, post, type Session } from '../api'
import { lookAgain, useSheet } from '../desk/sheet'
import { refreshNow, useLive, type Agent, type Call } from '../live'
import { Wrong, useTry } from '../parts/error'
import { Keypad } from '../parts/keypad'
import { Notices } from '../parts/notices'
import { PhoneBadge } from '../parts/phonebadge'
import { stateColors } from '../parts/states'
import { Since, Until, span, useNow } from '../parts/time'
import { phone, usePhone, type Talk } from '../phone'

// What is not needed at once comes after the desk stands.
const more = () => import('../desk/more')
const Customer = lazy(() => more().then((m) => ({ default: m.Customer })))
const Devices = lazy(() => more().then((m) => ({ default: m.Devices })))
const Dispositions = lazy(() => more().then((m) => ({ default: m.Dispositions })))
const Figures = lazy(() => more().then((m) => ({ default: m.Figures })))
const KeyHelp = lazy(() => more().then((m) => ({ default: m.KeyHelp })))
const Reminders = lazy(() => more().then((m) => ({ default: m.Reminders })))
const Script = lazy(() => more().then((m) => ({ default: m.Script })))
const Targets = lazy(() => more().then((m) => ({ default: m.Targets })))

// By the place of the key, not its letter: Cyrillic keyboards send others.
const physical = { usePhysicalKeys: true }
const usualReasons = ['break', 'lunch', 'training', 'paperwork']
type Detail = Call & { events?: { kind: string; data: any }[]; sip_call_id?: string }

// sameDialog tells whether a call of the server's is one that this page has begun.
const sameDialog = (talk: Talk | undefined, c: Call) => !!talk && !!c.sip_call_id && talk.id.startsWith(c.sip_call_id as string)

export function Desk({ session }: { session: Session }) {
  const { t } = useTranslation()
  const me = session.user!.name
  const { live } = useLive()
  const p = usePhone()
  const sheet = useSheet()
  const { run, wrong, busy, forget } = useTry()
  const [help, setHelp] = useState(false)
  const [later, setLater] = useState(0)
  const [contact, setContact] = useState<{ id: string; name?: string; company?: string } | null>()
  const mine = live?.agents.find((a) => a.name === me)
  const callID = p.talk?.callID ?? live?.calls.find((c) => sameDialog(p.talk, c))?.id ?? mine?.calls?.[0]
  const call = live?.calls.find((c) => c.id === callID)
  // What is said of a call stays through wrap-up, when there is no call any more, and
  // through a reload.
  const [about, setAbout] = useState<Detail>()
  const aboutID = callID ?? (mine?.state === 'wrap_up' ? mine.last_call : undefined)
  useEffect(() => {
    if (!aboutID) {
      if (mine?.state === 'ready') setAbout(undefined)
      return
    }
    let gone = false
    if (call) setAbout((was) => (was?.id === call.id ? was : call))
    get<Detail>('/calls/' + el(aboutID)).then((c) => !gone && setAbout(c), () => {})
    lookAgain()
    return () => { gone = true }
  }, [aboutID, mine?.state, call?.segments?.length])
  const found: Record<string, string> = about?.events?.findLast((e) => e.kind === 'flow.gathered')?.data?.variables ?? {}
  const queue = about?.queue ? sheet?.queues[about.queue] : undefined
  const script = queue?.script ? sheet?.scripts[queue.script] : undefined

  useEffect(() => void phone.start(), []) // it goes on when another page is looked at

  const state = (state: string, more: object = {}) =>
    run(async () => {
      await post(`/agents/${el(me)}/state`, { state, ...more })
      refreshNow()
    })
  const ready = () => state('ready', mine?.state === 'offline' && session.user!.device ? { device: session.user!.device } : {})
  const reasons = [...new Set([...usualReasons, ...(sheet?.reasons ?? [])])]

  useHotkeys(
    [
      ['alt+A', () => phone.answer(), physical],
      ['alt+R', () => p.talk?.state === 'incoming' && phone.reject(), physical],
      ['alt+M', () => p.talk && phone.mute(!p.talk.muted), physical],
      ['alt+S', () => (mine?.state === 'ready' ? state('not_ready', { reason: reasons[0] }) : ready()), physical],
      ['alt+W', () => mine?.state === 'wrap_up' && state('wrap_up_done'), physical],
      ['alt+L', () => setLater((n) => n + 1), physical],
      ['alt+K', () => setHelp((on) => !on), physical],
    ],
    [],
  )

  return (
    <>
    <Notices me={me} />
    <Grid>
      <Grid.Col span={{ base: 12, md: 4 }}>
        <Stack>
          <Card withBorder>
            <Stack gap="xs">
              <Group justify="space-between">
                <Title order={1} size="h4">{t('desk.state')}</Title>
                <Group gap="xs">
                  <PhoneBadge />
                  <Button size="compact-xs" variant="default" aria-label={t('desk.keys')} onClick={() => setHelp(true)}>?</Button>
                </Group>
              </Group>
              <Wrong wrong={wrong} forget={forget} />
              {p.state === 'failed' && <Alert color="red" role="alert">{p.why === 'mic' ? t('phone.nomic') : p.why}</Alert>}
              {p.state === 'elsewhere' && (
                <Alert color="orange">
                  {t('phone.elsewhere')} <Button size="compact-sm" onClick={() => phone.start(true)}>{t('phone.here')}</Button>
                </Alert>
              )}
              {mine && (
                <Group>
                  <Badge size="xl" color={stateColors[mine.state] ?? 'gray'} role="status" data-state={mine.state}>{t('agent.' + mine.state)}</Badge>
                  {mine.reason && <Text>{t('reason.' + mine.reason, { defaultValue: mine.reason })}</Text>}
                  <Text fw={700}><Since at={mine.since} /></Text>
                  {mine.state === 'wrap_up' && !mine.disposition_due && mine.deadline && <Text>{t('desk.left')} <Until at={mine.deadline} /></Text>}
                </Group>
              )}
              <Group>
                {mine?.state === 'wrap_up' ? (
                  <>
                    <Button loading={busy} disabled={mine.disposition_due} title={mine.disposition_due ? t('desk.due') : undefined} onClick={() => state('wrap_up_done')}>{t('desk.done')}</Button>
                    {!!queue?.may_extend && <Button variant="default" loading={busy} onClick={() => state('extend_wrap_up', { seconds: Math.min(60, queue.may_extend!) })}>{t('desk.extend')}</Button>}
                  </>
                ) : (
                  <Button color="green" loading={busy} disabled={mine?.state === 'ready' || p.state !== 'ready'} title={p.state !== 'ready' ? t('desk.nophone') : undefined} onClick={ready}>{t('desk.ready')}</Button>
                )}
                <Menu>
                  <Menu.Target><Button variant="default">{t('desk.pause')}</Button></Menu.Target>
                  <Menu.Dropdown>
                    {reasons.map((r) => <Menu.Item key={r} disabled={mine?.disposition_due} onClick={() => state('not_ready', { reason: r })}>{t('reason.' + r, { defaultValue: r })}</Menu.Item>)}
                    <Menu.Divider />
                    <Menu.Item onClick={() => state('offline')}>{t('desk.off')}</Menu.Item>
                  </Menu.Dropdown>
                </Menu>
              </Group>
            </Stack>
          </Card>
          <TalkCard call={call} session={session} />
          <Suspense>
            {about && queue && queue.dispositions.length > 0 && p.talk?.state !== 'incoming' && (call || mine?.state === 'wrap_up') && (
              <Dispositions callID={about.id} queue={queue} me={me} due={mine?.disposition_due} later={() => setLater((n) => n + 1)} />
            )}
            <Devices />
          </Suspense>
        </Stack>
      </Grid.Col>
      <Grid.Col span={{ base: 12, md: 5 }}>
        <Stack>
          <Suspense>
            {about && script && <Script callID={about.id} name={queue!.script!} script={script} contact={contact?.id} known={{ ...found, caller: about.from ?? '', queue: queue!.display_name ?? about.queue!, agent: session.user!.display_name || me, contact_name: contact?.name ?? '', contact_company: contact?.company ?? '' }} />}
          </Suspense>
          {about && <CallerCard call={about} found={found} />}
          <Suspense>{session.rights?.['contacts.change'] && <Customer number={about?.from} callID={about?.id} told={setContact} />}</Suspense>
          <MyCalls me={me} />
        </Stack>
      </Grid.Col>
      <Grid.Col span={{ base: 12, md: 3 }}>
        <Stack>
          <Queues queues={mine?.queues ?? []} />
          <Suspense>
            {session.rights?.['calls.dial'] && <Reminders me={me} number={about?.from} callID={about?.id} queues={mine?.queues ?? []} sheet={sheet} asked={later} />}
            {session.rights?.['reports.read'] && <Figures me={me} state={mine?.state} />}
          </Suspense>
          <Colleagues me={me} />
        </Stack>
      </Grid.Col>
      <Suspense>{help && <KeyHelp close={() => setHelp(false)} />}</Suspense>
    </Grid>
    </>
  )
}

// TalkCard is the strip of the call: its buttons have fixed places.
function TalkCard({ call, session }: { call?: Call; session: Session }) {
  const { t } = useTranslation()
  const p = usePhone()
  const { live } = useLive()
  useNow() // ticks
  const { run, wrong, busy, forget } = useTry()
  const [number, setNumber] = useState('')
  const [pad, setPad] = useState(false)
  const [targets, setTargets] = useState(false)
  const [ending, setEnding] = useState(false)
  const talk = p.talk
  const second = p.second
  const other = live?.calls.find((c) => sameDialog(second, c))
  const ask = (c: Call, action: string, body: object = {}) => post(`/calls/${el(c.id)}/${action}`, body)
  const control = (action: string, body: object = {}) => run(async () => { await ask(call!, action, body); refreshNow() })
  const held = call?.segments?.at(-1)?.kind === 'hold'
  const paused = call?.recordings?.some((r: any) => r.paused)
  const transfer = (target: string) => { setTargets(false); void control('transfer', { target }) }
  const add = (target: string) => { setTargets(false); void control('conference', { target }) }
  const consult = (to: string) => {
    setTargets(false)
    void run(async () => {
      if (!held) await ask(call!, 'hold', { on: true })
      phone.consult(to)
      refreshNow()
    })
  }
  // A consultation that is over without having been joined gives the caller back.
  const joined = useRef(false)
  const had = useRef(false)
  useEffect(() => {
    if (second) {
      had.current = true
      joined.current = false
      return
    }
    if (had.current && !joined.current && call && held) void control('hold', { on: false })
    had.current = false
  }, [!!second])
  const swap = () =>
    run(async () => {
      const toSecond = p.active === 'talk'
      await ask(call!, 'hold', { on: toSecond })
      if (other) await ask(other, 'hold', { on: !toSecond })
      phone.swap()
      refreshNow()
    })
  const join = (action: 'attended' | 'merge') =>
    run(async () => {
      joined.current = true
      try {
        await ask(call!, action, { call: other!.id })
      } catch (e) {
        joined.current = false
        throw e
      }
      refreshNow()
    })
  const hangup = () => {
    // By key only the second press hangs up: the first may be a slip.
    if (ending) return phone.hangup()
    setEnding(true)
    setTimeout(() => setEnding(false), 3000)
  }
  useHotkeys(
    [
      ['alt+H', () => talk?.state === 'talking' && call && control('hold', { on: !held }), physical],
      ['alt+T', () => talk?.state === 'talking' && call && !second && setTargets((on) => !on), physical],
      ['alt+X', () => talk && hangup(), physical],
      ['Escape', () => setTargets(false)],
    ],
    [],
  )
  useEffect(() => { if (!talk) { setTargets(false); setPad(false) } }, [!!talk])

  return (
    <Card withBorder>
      <Stack gap="sm">
        <Title order={2} size="h4">{t('desk.call')}</Title>
        <Wrong wrong={wrong} forget={forget} />
        {!talk && (
          <Group align="end" component="form" onSubmit={(e: React.FormEvent) => { e.preventDefault(); phone.dial(number) }}>
            <TextInput label={t('phone.number')} value={number} onChange={(e) => setNumber(e.currentTarget.value)} inputMode="tel" />
            <Button type="submit" disabled={p.state !== 'ready' || !number}>{t('phone.call')}</Button>
          </Group>
        )}
        {talk && (
          <>
            <div aria-live="assertive">
              {talk.state === 'incoming' && call?.queue && <Text size="xl" fw={800}>{call.queue}</Text>}
              <Text size="lg" fw={700}>{call?.display || call?.from || talk.peer || t('call.unknown')}</Text>
              <Group gap="xs">
                <Badge role="status">{t('talk.' + talk.state)}</Badge>
                <Text className="tabular">{span(Date.now() - talk.since)}</Text>
                {talk.quality && !held && <Text size="sm">{t('quality.' + talk.quality.words)}</Text>}
                {held && <Badge color="orange">{t('call.held')}</Badge>}
                {paused && <Badge color="red">{t('call.paused')}</Badge>}
                {ending && <Badge color="red" role="alert">{t('call.again')}</Badge>}
              </Group>
            </div>
            {talk.state === 'incoming' ? (
              <Group>
                <Button color="green" size="lg" onClick={() => phone.answer()}>{t('phone.answer')}</Button>
                <Button color="red" size="lg" variant="light" onClick={() => phone.reject()}>{t('phone.reject')}</Button>
              </Group>
            ) : (
              <>
                <Group gap="xs">
                  <Button variant={talk.muted ? 'filled' : 'default'} onClick={() => phone.mute(!talk.muted)} aria-pressed={talk.muted}>{t('phone.mute')}</Button>
                  <Button variant={held ? 'filled' : 'default'} disabled={!call || !!second} loading={busy} onClick={() => control('hold', { on: !held })} aria-pressed={held}>{t('call.hold')}</Button>
                  <Button variant={pad ? 'filled' : 'default'} onClick={() => setPad(!pad)} aria-expanded={pad}>{t('phone.keypad')}</Button>
                  <Button variant={targets ? 'filled' : 'default'} disabled={!call || !!second || talk.state !== 'talking'} onClick={() => setTargets(!targets)} aria-expanded={targets}>{t('call.transfer')}…</Button>
                  <Button variant="default" disabled={!call?.recordings?.length} onClick={() => control('recording', { action: paused ? 'resume' : 'pause' })}>{paused ? t('call.record') : t('call.norecord')}</Button>
                  <Button color="red" onClick={() => phone.hangup()}>{t('phone.hangup')}</Button>
                </Group>
                {second && (
                  <Card withBorder data-consult={second.state}>
                    <Stack gap="xs">
                      <Group gap="xs">
                        <Text fw={700}>{t('call.consulting', { who: live?.agents.find((a) => a.extension === second.peer)?.name ?? second.peer })}</Text>
                        <Badge role="status" color={p.active === 'second' ? 'blue' : 'orange'}>{p.active === 'second' ? t('talk.' + second.state) : t('call.waits')}</Badge>
                        <Text className="tabular">{span(Date.now() - second.since)}</Text>
                      </Group>
                      <Group gap="xs">
                        <Button disabled={busy || !other} onClick={() => join('attended')}>{t('call.complete')}</Button>
                        <Button variant="default" disabled={busy || !other || second.state !== 'talking'} onClick={() => join('merge')}>{t('call.merge')}</Button>
                        <Button variant="default" disabled={busy || second.state !== 'talking'} onClick={swap}>{t('call.swap')}</Button>
                        <Button color="red" variant="light" onClick={() => phone.hangupSecond()}>{t('call.cancel')}</Button>
                      </Group>
                    </Stack>
                  </Card>
                )}
                {pad && <Keypad press={(k) => phone.key(k)} />}
                {targets && call && !second && <Suspense><Targets me={session.user!.name} busy={busy} transfer={transfer} consult={consult} add={add} close={() => setTargets(false)} /></Suspense>}
              </>
            )}
          </>
        )}
      </Stack>
    </Card>
  )
}

// CallerCard is who calls and what they said before.
function CallerCard({ call, found }: { call: Detail; found: Record<string, string> }) {
  const { t } = useTranslation()
  const [past, setPast] = useState<Call[]>([])
  useEffect(() => {
    let gone = false
    setPast([])
    if (call.from) get<{ calls: Call[] }>('/calls?limit=6&caller=' + encodeURIComponent(call.from)).then((r) => !gone && setPast(r.calls.filter((c) => c.id !== call.id)), () => {})
    return () => { gone = true }
  }, [call.id, call.from])
  const steps = (call.events ?? []).filter((e) => e.kind === 'flow.step' || e.kind === 'digit')
  return (
    <Card withBorder>
      <Title order={2} size="h4">{t('card.title')}</Title>
      <Table variant="vertical" withRowBorders={false}>
        <Table.Tbody>
          <Table.Tr><Table.Th w={150}>{t('card.number')}</Table.Th><Table.Td>{call.from ?? t('call.unknown')} {call.display && `(${call.display})`}</Table.Td></Table.Tr>
          <Table.Tr><Table.Th>{t('card.dialled')}</Table.Th><Table.Td>{String(call.to ?? '')}</Table.Td></Table.Tr>
          {call.queue && <Table.Tr><Table.Th>{t('card.queue')}</Table.Th><Table.Td>{call.queue}</Table.Td></Table.Tr>}
          <Table.Tr><Table.Th>{t('card.waited')}</Table.Th><Table.Td className="tabular">{span(call.wait_ms ?? 0)}</Table.Td></Table.Tr>
          {Object.entries(found).map(([k, v]) => (
            <Table.Tr key={k}><Table.Th>{k}</Table.Th><Table.Td>{String(v)}</Table.Td></Table.Tr>
          ))}
          {steps.length > 0 && (
            <Table.Tr><Table.Th>{t('card.path')}</Table.Th><Table.Td>{steps.map((e) => (e.kind === 'digit' ? `[${e.data.digit}]` : e.data.step)).join(' › ')}</Table.Td></Table.Tr>
          )}
        </Table.Tbody>
      </Table>
      {past.length > 0 && (
        <>
          <Title order={3} size="h5" mt="sm">{t('card.past')}</Title>
          <CallTable calls={past} />
        </>
      )}
    </Card>
  )
}

export function CallTable({ calls }: { calls: Call[] }) {
  const { t, i18n } = useTranslation()
  return (
    <Table highlightOnHover>
      <Table.Thead>
        <Table.Tr>{['when', 'from', 'to', 'queue', 'agent', 'talk', 'end'].map((k) => <Table.Th key={k}>{t('calls.' + k)}</Table.Th>)}</Table.Tr>
      </Table.Thead>
      <Table.Tbody>
        {calls.map((c) => (
          <Table.Tr key={c.id}>
            <Table.Td><Link href={'/calls/' + c.id}>{new Date(c.started).toLocaleString(i18n.language, { dateStyle: 'short', timeStyle: 'medium' })}</Link></Table.Td>
            <Table.Td>{c.display ? `${c.display} ` : ''}{c.from ?? t('call.unknown')}</Table.Td>
            <Table.Td>{String(c.to ?? '')}</Table.Td>
            <Table.Td>{c.queue ?? ''}</Table.Td>
            <Table.Td>{c.agent ?? ''}</Table.Td>
            <Table.Td className="tabular">{span(c.talk_ms ?? 0)}</Table.Td>
            <Table.Td>{c.ended ? t('result.' + c.result, { defaultValue: c.result }) : t('calls.running')}</Table.Td>
          </Table.Tr>
        ))}
      </Table.Tbody>
    </Table>
  )
}

function MyCalls({ me }: { me: string }) {
  const { t } = useTranslation()
  const { live } = useLive()
  const [calls, set] = useState<Call[]>([])
  const running = live?.calls.length ?? 0
  useEffect(() => {
    get<{ calls: Call[] }>('/calls?limit=10&agent=' + encodeURIComponent(me)).then((r) => set(r.calls), () => {})
  }, [me, running])
  return (
    <Card withBorder>
      <Title order={2} size="h4">{t('desk.mine')}</Title>
      {calls.length ? <CallTable calls={calls} /> : <Text c="dimmed">{t('desk.none')}</Text>}
    </Card>
  )
}

function Queues({ queues }: { queues: string[] }) {
  const { t } = useTranslation()
  const { live } = useLive()
  return (
    <Card withBorder>
      <Title order={2} size="h5">{t('live.queues')}</Title>
      <Table>
        <Table.Thead><Table.Tr><Table.Th>{t('card.queue')}</Table.Th><Table.Th>{t('live.waiting')}</Table.Th><Table.Th>{t('live.longest')}</Table.Th></Table.Tr></Table.Thead>
        <Table.Tbody>
          {(live?.queues ?? []).filter((q) => queues.includes(q.name)).map((q) => (
            <Table.Tr key={q.name}><Table.Td>{q.display_name ?? q.name}</Table.Td><Table.Td>{q.waiting}</Table.Td><Table.Td><Since at={q.oldest} /></Table.Td></Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
    </Card>
  )
}

function Colleagues({ me }: { me: string }) {
  const { t } = useTranslation()
  const { live } = useLive()
  const rows = (live?.agents ?? []).filter((a: Agent) => a.name !== me)
  return (
    <Card withBorder>
      <Title order={2} size="h5">{t('desk.colleagues')}</Title>
      <Stack gap={4}>
        {rows.map((a) => (
          <Group key={a.name} justify="space-between"><Text size="sm">{a.name}</Text><Badge color={stateColors[a.state] ?? 'gray'}>{t('agent.' + a.state)}</Badge></Group>
        ))}
      </Stack>
    </Card>
  )
}
