import { Badge, Card, Code, Group, Stack, Table, Text, Title } from '@mantine/core'
import { useEffect, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { get, name as el, type Session } from '../api'
import type { Call, Event } from '../live'
import { Wrong, useTry } from '../parts/error'
import { Player } from '../super/player'
import { span } from '../parts/time'

interface Why { story: string[] }

// CallPage is one call on one axis: what happened, why, and how it sounded.
export function CallPage({ id, session }: { id: string; session: Session }) {
  const { t } = useTranslation()
  const [call, setCall] = useState<Call & { events?: Event[] }>()
  const [why, setWhy] = useState<Why>()
  const { run, wrong, forget } = useTry()
  useEffect(() => {
    const look = () => run(async () => {
      setCall(await get('/calls/' + el(id)))
      setWhy(await get<Why>(`/calls/${el(id)}/why`).catch(() => undefined as any))
    })
    void look()
    const timer = setInterval(() => !call?.ended && void look(), 3000)
    return () => clearInterval(timer)
  }, [id, call?.ended])
  if (!call) return <><Wrong wrong={wrong} forget={forget} /><Text>{t('loading')}</Text></>
  const total = Math.max(1, call.total_ms ?? 1)
  const start = Date.parse(call.started)
  return (
    <Stack>
      <Wrong wrong={wrong} forget={forget} />
      <Card withBorder>
        <Group justify="space-between">
          <Title order={1} size="h4">{call.display || call.from || t('call.unknown')} → {String(call.to ?? '')}</Title>
          <Badge size="lg">{call.ended ? t('result.' + call.result, { defaultValue: call.result }) : t('calls.running')}</Badge>
        </Group>
        <Text c="dimmed" className="tabular">{new Date(call.started).toLocaleString()} · {span(total)} · <Code>{call.id}</Code></Text>
        <div role="img" aria-label={t('call.timeline')} style={{ display: 'flex', height: 28, marginTop: 12, borderRadius: 6, overflow: 'hidden' }}>
          {(call.segments ?? []).map((s, i) => (
            <div key={i} title={`${t('segment.' + s.kind, { defaultValue: s.kind })} ${span(s.ms)}`} style={{ width: `${(100 * s.ms) / total}%`, minWidth: 2, background: segmentColors[s.kind] ?? '#868e96' }} />
          ))}
        </div>
        <Table mt="xs">
          <Table.Thead><Table.Tr><Table.Th>{t('call.part')}</Table.Th><Table.Th>{t('call.at')}</Table.Th><Table.Th>{t('call.long')}</Table.Th><Table.Th>{t('calls.queue')}</Table.Th><Table.Th>{t('calls.agent')}</Table.Th></Table.Tr></Table.Thead>
          <Table.Tbody>
            {(call.segments ?? []).map((s, i) => (
              <Table.Tr key={i}><Table.Td><span aria-hidden style={{ color: segmentColors[s.kind] }}>■</span> {t('segment.' + s.kind, { defaultValue: s.kind })}</Table.Td><Table.Td className="tabular">{span(s.at_ms)}</Table.Td><Table.Td className="tabular">{span(s.ms)}</Table.Td><Table.Td>{s.queue ?? s.flow ?? ''}</Table.Td><Table.Td>{s.agent ?? ''}</Table.Td></Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
      </Card>
      {session.rights?.['recordings.hear'] && (call.recordings ?? []).map((r) => <Player key={r.id} id={r.id} session={session} running={!call.ended} />)}
      <MenuPath events={call.events ?? []} start={start} />
      {why && why.story.length > 0 && (
        <Card withBorder>
          <Title order={2} size="h5">{t('call.why')}</Title>
          <ul>{why.story.map((line, i) => <li key={i}>{line}</li>)}</ul>
        </Card>
      )}
      <Decisions events={call.events ?? []} start={start} />
      <Quality legs={(call.legs as any[]) ?? []} />
      <Card withBorder>
        <Title order={2} size="h5">{t('call.legs')}</Title>
        <Table>
          <Table.Thead><Table.Tr><Table.Th>{t('call.leg')}</Table.Th><Table.Th>{t('call.codec')}</Table.Th><Table.Th>{t('call.lost')}</Table.Th><Table.Th>{t('call.jitter')}</Table.Th><Table.Th>MOS</Table.Th></Table.Tr></Table.Thead>
          <Table.Tbody>
            {(call.legs ?? []).map((l: any) => (
              <Table.Tr key={l.leg}><Table.Td>{l.agent ?? l.device ?? l.trunk ?? l.number}</Table.Td><Table.Td>{l.audio?.codec}</Table.Td><Table.Td>{l.audio?.packets_lost}</Table.Td><Table.Td>{l.audio?.jitter_ms} ms</Table.Td><Table.Td>{l.audio?.mos_in?.mean}</Table.Td></Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
      </Card>
      <Card withBorder>
        <Title order={2} size="h5">{t('call.journal')}</Title>
        <div role="region" aria-label={t('call.journal')} tabIndex={0} style={{ maxHeight: 420, overflow: 'auto' }}>
          <Table>
            <Table.Tbody>
              {(call.events ?? []).map((e) => (
                <Table.Tr key={e.seq}><Table.Td className="tabular">{((Date.parse(e.at) - start) / 1000).toFixed(2)}</Table.Td><Table.Td>{e.kind}</Table.Td><Table.Td><Code>{short(e.data)}</Code></Table.Td></Table.Tr>
              ))}
            </Table.Tbody>
          </Table>
        </div>
      </Card>
    </Stack>
  )
}

const segmentColors: Record<string, string> = { menu: '#1971c2', waiting: '#e8590c', ringing: '#f08c00', talking: '#2f9e44', hold: '#9c36b5', voicemail: '#0c8599' }

function short(data: unknown) {
  const s = JSON.stringify(data)
  return s.length > 160 ? s.slice(0, 160) + '…' : s
}

// MenuPath is how the caller went through the flow: steps, keys, what was gathered.
function MenuPath({ events, start }: { events: Event[]; start: number }) {
  const { t } = useTranslation()
  const steps = events.filter((e) => ['flow.step', 'digit', 'flow.job', 'flow.failed'].includes(e.kind))
  if (!steps.length) return null
  return (
    <Card withBorder>
      <Title order={2} size="h5">{t('page2.menu')}</Title>
      <Group gap={6}>
        {steps.map((e) => (
          <Badge key={e.seq} variant="outline" c="var(--mantine-color-text)" color={e.kind === 'digit' ? 'orange' : e.kind === 'flow.failed' ? 'red' : 'blue'} tt="none" title={((Date.parse(e.at) - start) / 1000).toFixed(1) + ' s'}>
            {e.kind === 'digit' ? `[${e.data.digit}]` : e.kind === 'flow.job' ? `${e.data.step}: ${e.data.job} ${e.data.outcome}` : `${e.data.flow}/${e.data.step}`}
          </Badge>
        ))}
      </Group>
    </Card>
  )
}

// Decisions are the queue's own accounts of whom it chose, and why not others.
function Decisions({ events, start }: { events: Event[]; start: number }) {
  const { t } = useTranslation()
  const list = events.filter((e) => e.data?.strategy !== undefined && e.data?.queue !== undefined)
  if (!list.length) return null
  return (
    <Card withBorder>
      <Title order={2} size="h5">{t('page2.decisions')}</Title>
      <Table>
        <Table.Tbody>
          {list.map((e) => (
            <Table.Tr key={e.seq}>
              <Table.Td className="tabular">{((Date.parse(e.at) - start) / 1000).toFixed(1)}</Table.Td>
              <Table.Td>{e.data.queue} · {e.data.strategy}</Table.Td>
              <Table.Td>{e.data.agent ? <><b>{e.data.agent}</b> ({t('page2.chosen')})</> : t('page2.nobody')}</Table.Td>
              <Table.Td>{(e.data.considered ?? []).map((c: any) => c.agent + (c.value ? ` ${c.value}` : '')).join(', ')}</Table.Td>
              <Table.Td>{Object.entries(e.data.excluded ?? {}).map(([why, n]) => `${why} ${n}`).join(', ')}</Table.Td>
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
    </Card>
  )
}

// Quality is how each line sounded while the call went on (E-model, 1 to 4.5).
function Quality({ legs }: { legs: any[] }) {
  const { t } = useTranslation()
  const rows = legs.flatMap((l) => [['heard', l.audio?.mos_in], ['heardus', l.audio?.mos_out]].filter(([, s]) => (s as any)?.series?.length).map(([dir, s]) => ({ name: `${l.agent ?? l.device ?? l.trunk ?? l.number}, ${t('page2.' + dir)}`, s: s as any })))
  if (!rows.length) return null
  const y = (v: number) => 40 - ((v - 1) / 3.5) * 40
  return (
    <Card withBorder>
      <Title order={2} size="h5">{t('page2.quality')}</Title>
      {rows.map(({ name, s }) => {
        const label = t('page2.mos', { name, mean: s.mean.toFixed(2), low: s.low.toFixed(2) })
        return (
          <figure key={name} style={{ margin: '8px 0' }}>
            <figcaption><Text size="sm">{label}</Text></figcaption>
            <svg viewBox={`0 0 ${Math.max(1, s.series.length)} 40`} preserveAspectRatio="none" role="img" aria-label={label} style={{ width: '100%', height: 40 }}>
              {s.series.map((v: number, i: number) => <rect key={i} x={i} width={0.92} y={y(v)} height={40 - y(v)} fill={v >= 3.6 ? '#2f9e44' : v >= 3 ? '#f08c00' : '#c92a2a'}><title>{`${span(1000 * i * s.step_s)}: ${v.toFixed(2)}`}</title></rect>)}
            </svg>
          </figure>
        )
      })}
    </Card>
  )
}
