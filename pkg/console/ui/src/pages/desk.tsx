import { Alert, Badge, Button, Card, Grid, Group, Kbd, Menu, NativeSelect, Stack, Table, Text, TextInput, Title } from '@mantine/core'
import { useHotkeys } from '@mantine/hooks'
import { useEffect, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { Link } from 'wouter'
import { get, name as el, post, type Session } from '../api'
import { refreshNow, serverNow, useLive, type Agent, type Call } from '../live'
import { Wrong, useTry } from '../parts/error'
import { Customer } from '../parts/customer'
import { Keypad } from '../parts/keypad'
import { Notices } from '../parts/notices'
import { PhoneBadge } from '../parts/phonebadge'
import { Since, Until, span, useNow } from '../parts/time'
import { devices, phone, setDevices, usePhone } from '../phone'

const stateColors: Record<string, string> = { ready: 'green', offered: 'blue', on_call: 'blue', wrap_up: 'yellow', not_ready: 'orange', offline: 'gray' }
// By the place of the key, not its letter: Cyrillic keyboards send others.
const physical = { usePhysicalKeys: true }
const reasons = ['break', 'lunch', 'training', 'paperwork']

export function Desk({ session }: { session: Session }) {
  const { t } = useTranslation()
  const me = session.user!.name
  const { live } = useLive()
  const p = usePhone()
  const { run, wrong, busy, forget } = useTry()
  const mine = live?.agents.find((a) => a.name === me)
  const callID = p.talk?.callID ?? mine?.calls?.[0]
  const call = live?.calls.find((c) => c.id === callID)
  // The customer's card stays through wrap-up, when there is no call any more.
  const [about, setAbout] = useState<Call>()
  useEffect(() => {
    if (call) setAbout(call)
    else if (mine?.state === 'ready') setAbout(undefined)
  }, [call?.id, mine?.state])

  useEffect(() => {
    void phone.start()
    return () => phone.stop()
  }, [])

  const state = (state: string, more: object = {}) =>
    run(async () => {
      await post(`/agents/${el(me)}/state`, { state, ...more })
      refreshNow()
    })
  const ready = () => state('ready', mine?.state === 'offline' && session.user!.device ? { device: session.user!.device } : {})

  useHotkeys(
    [
      ['alt+A', () => phone.answer(), physical],
      ['alt+R', () => p.talk?.state === 'incoming' && phone.reject(), physical],
      ['alt+M', () => p.talk && phone.mute(!p.talk.muted), physical],
      ['alt+S', () => (mine?.state === 'ready' ? state('not_ready', { reason: reasons[0] }) : ready()), physical],
      ['alt+W', () => mine?.state === 'wrap_up' && state('wrap_up_done'), physical],
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
                <PhoneBadge />
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
                  {mine.state === 'wrap_up' && mine.deadline && <Text>{t('desk.left')} <Until at={mine.deadline} /></Text>}
                </Group>
              )}
              <Group>
                {mine?.state === 'wrap_up' ? (
                  <>
                    <Button loading={busy} onClick={() => state('wrap_up_done')}>{t('desk.done')}</Button>
                    <Button variant="default" loading={busy} onClick={() => state('extend_wrap_up', { seconds: 60 })}>{t('desk.extend')}</Button>
                  </>
                ) : (
                  <Button color="green" loading={busy} disabled={mine?.state === 'ready' || p.state !== 'ready'} title={p.state !== 'ready' ? t('desk.nophone') : undefined} onClick={ready}>{t('desk.ready')}</Button>
                )}
                <Menu>
                  <Menu.Target><Button variant="default">{t('desk.pause')}</Button></Menu.Target>
                  <Menu.Dropdown>
                    {reasons.map((r) => <Menu.Item key={r} onClick={() => state('not_ready', { reason: r })}>{t('reason.' + r)}</Menu.Item>)}
                    <Menu.Divider />
                    <Menu.Item onClick={() => state('offline')}>{t('desk.off')}</Menu.Item>
                  </Menu.Dropdown>
                </Menu>
              </Group>
            </Stack>
          </Card>
          <TalkCard call={call} session={session} />
          <Devices />
        </Stack>
      </Grid.Col>
      <Grid.Col span={{ base: 12, md: 5 }}>
        <Stack>
          {call && <CallerCard call={call} />}
          {session.rights?.['contacts.change'] && <Customer number={about?.from} callID={about?.id} />}
          <MyCalls me={me} />
        </Stack>
      </Grid.Col>
      <Grid.Col span={{ base: 12, md: 3 }}>
        <Stack>
          <Queues queues={mine?.queues ?? []} />
          <Colleagues me={me} />
          <Card withBorder>
            <Title order={2} size="h5">{t('desk.keys')}</Title>
            {(['A', 'R', 'M', 'S', 'W'] as const).map((k) => (
              <Group key={k} gap="xs"><Kbd>Alt</Kbd>+<Kbd>{k}</Kbd> <Text size="sm">{t('key.' + k)}</Text></Group>
            ))}
          </Card>
        </Stack>
      </Grid.Col>
    </Grid>
    </>
  )
}

// TalkCard is the strip of the call: its buttons have fixed places.
function TalkCard({ call, session }: { call?: Call; session: Session }) {
  const { t } = useTranslation()
  const p = usePhone()
  const { live } = useLive()
  const now = useNow()
  const { run, wrong, busy, forget } = useTry()
  const [number, setNumber] = useState('')
  const [target, setTarget] = useState('')
  const [pad, setPad] = useState(false)
  const talk = p.talk
  const control = (action: string, body: object = {}) => run(async () => { await post(`/calls/${el(call!.id)}/${action}`, body); refreshNow() })
  const held = call?.segments?.at(-1)?.kind === 'hold'
  const paused = call?.recordings?.some((r: any) => r.paused)
  const others = (live?.agents ?? []).filter((a) => a.name !== session.user!.name && a.state !== 'offline')

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
                <Text className="tabular">{span(now - (serverNow() - Date.now()) - talk.since)}</Text>
                {talk.quality && <Text size="sm">{t('quality.' + talk.quality.words)}</Text>}
                {held && <Badge color="orange">{t('call.held')}</Badge>}
                {paused && <Badge color="red">{t('call.paused')}</Badge>}
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
                  <Button variant={held ? 'filled' : 'default'} disabled={!call} loading={busy} onClick={() => control('hold', { on: !held })} aria-pressed={held}>{t('call.hold')}</Button>
                  <Button variant={pad ? 'filled' : 'default'} onClick={() => setPad(!pad)} aria-expanded={pad}>{t('phone.keypad')}</Button>
                  <Button variant="default" disabled={!call?.recordings?.length} onClick={() => control('recording', { action: paused ? 'resume' : 'pause' })}>{paused ? t('call.record') : t('call.norecord')}</Button>
                  <Button color="red" onClick={() => phone.hangup()}>{t('phone.hangup')}</Button>
                </Group>
                {pad && <Keypad press={(k) => phone.key(k)} />}
                <Group align="end" gap="xs" component="form" onSubmit={(e: React.FormEvent) => { e.preventDefault(); if (call && target) void control('transfer', { target }) }}>
                  <NativeSelect label={t('call.to')} value={target} onChange={(e) => setTarget(e.currentTarget.value)}
                    data={[{ value: '', label: '–' },
                      { group: t('live.queues'), items: (live?.queues ?? []).map((q) => ({ value: 'queue:' + q.name, label: `${q.display_name ?? q.name} (${t('live.free')} ${q.free}, ${t('live.waiting')} ${q.waiting})` })) },
                      { group: t('live.agents'), items: others.map((a) => ({ value: 'agent:' + a.name, label: `${a.name} (${t('agent.' + a.state)})` })) }]} />
                  <TextInput label={t('call.ornumber')} value={target.includes(':') ? '' : target} onChange={(e) => setTarget(e.currentTarget.value)} w={130} />
                  <Button type="submit" variant="default" disabled={!call || !target} loading={busy}>{t('call.transfer')}</Button>
                </Group>
              </>
            )}
          </>
        )}
      </Stack>
    </Card>
  )
}

// CallerCard is who calls and what they said before.
function CallerCard({ call }: { call: Call }) {
  const { t } = useTranslation()
  const [full, setFull] = useState<Call & { events?: any[] }>()
  const [past, setPast] = useState<Call[]>([])
  useEffect(() => {
    let gone = false
    get<Call & { events?: any[] }>('/calls/' + el(call.id)).then((c) => !gone && setFull(c), () => {})
    if (call.from) get<{ calls: Call[] }>('/calls?limit=6&caller=' + encodeURIComponent(call.from)).then((r) => !gone && setPast(r.calls.filter((c) => c.id !== call.id)), () => {})
    return () => { gone = true }
  }, [call.id, call.from, call.segments?.length])
  const steps = (full?.events ?? []).filter((e) => e.kind === 'flow.step' || e.kind === 'digit')
  return (
    <Card withBorder>
      <Title order={2} size="h4">{t('card.title')}</Title>
      <Table variant="vertical" withRowBorders={false}>
        <Table.Tbody>
          <Table.Tr><Table.Th w={150}>{t('card.number')}</Table.Th><Table.Td>{call.from ?? t('call.unknown')} {call.display && `(${call.display})`}</Table.Td></Table.Tr>
          <Table.Tr><Table.Th>{t('card.dialled')}</Table.Th><Table.Td>{String(call.to ?? '')}</Table.Td></Table.Tr>
          {call.queue && <Table.Tr><Table.Th>{t('card.queue')}</Table.Th><Table.Td>{call.queue}</Table.Td></Table.Tr>}
          <Table.Tr><Table.Th>{t('card.waited')}</Table.Th><Table.Td className="tabular">{span(call.wait_ms ?? 0)}</Table.Td></Table.Tr>
          {Object.entries((full?.gathered ?? full?.variables ?? {}) as Record<string, string>).map(([k, v]) => (
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

// Devices chooses microphone, speaker and ringer, each for itself, at any time.
function Devices() {
  const { t } = useTranslation()
  const [list, set] = useState<MediaDeviceInfo[]>([])
  const [chosen, choose] = useState(devices())
  const p = usePhone()
  useEffect(() => {
    const look = () => navigator.mediaDevices?.enumerateDevices().then(set, () => {})
    void look()
    navigator.mediaDevices?.addEventListener('devicechange', look)
    return () => navigator.mediaDevices?.removeEventListener('devicechange', look)
  }, [p.state])
  const pick = (kind: 'mic' | 'speaker' | 'ringer', id: string) => {
    const next = { ...chosen, [kind]: id || undefined }
    choose(next)
    setDevices(next)
    if (kind === 'mic') void phone.replaceMic()
  }
  const of = (kind: string) => [{ value: '', label: t('devices.usual') }, ...list.filter((d) => d.kind === kind && d.deviceId && d.deviceId !== 'default').map((d) => ({ value: d.deviceId, label: d.label || d.deviceId.slice(0, 8) }))]
  return (
    <Card withBorder component="details">
      <Title order={2} size="h5" component="summary">{t('devices.title')}</Title>
      <Stack gap="xs" mt="xs">
        <NativeSelect label={t('devices.mic')} value={chosen.mic ?? ''} onChange={(e) => pick('mic', e.currentTarget.value)} data={of('audioinput')} />
        <NativeSelect label={t('devices.speaker')} value={chosen.speaker ?? ''} onChange={(e) => pick('speaker', e.currentTarget.value)} data={of('audiooutput')} />
        <NativeSelect label={t('devices.ringer')} value={chosen.ringer ?? ''} onChange={(e) => pick('ringer', e.currentTarget.value)} data={of('audiooutput')} />
        {'Notification' in window && Notification.permission === 'default' && <Button variant="default" onClick={() => void Notification.requestPermission()}>{t('devices.notify')}</Button>}
        <Button variant="default" disabled={p.state !== 'ready' || !!p.talk} onClick={() => phone.dial('9')}>{t('devices.echo')}</Button>
      </Stack>
    </Card>
  )
}
