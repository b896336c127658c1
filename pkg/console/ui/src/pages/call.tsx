import { Badge, Button, Card, Code, Group, SegmentedControl, Stack, Table, Text, Title } from '@mantine/core'
import { useEffect, useRef, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { get, name as el, type Session } from '../api'
import type { Call, Event } from '../live'
import { Wrong, useTry } from '../parts/error'
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
      {session.rights?.['recordings.hear'] && (call.recordings ?? []).map((r) => <Player key={r.id} id={r.id} />)}
      {why && why.story.length > 0 && (
        <Card withBorder>
          <Title order={2} size="h5">{t('call.why')}</Title>
          <ul>{why.story.map((line, i) => <li key={i}>{line}</li>)}</ul>
        </Card>
      )}
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

// Player plays a recording, while the call runs too.
function Player({ id }: { id: string }) {
  const { t } = useTranslation()
  const audio = useRef<HTMLAudioElement>(null)
  const [rate, setRate] = useState('1')
  useEffect(() => {
    if (audio.current) audio.current.playbackRate = Number(rate)
  }, [rate])
  const src = `/api/v1/recordings/${el(id)}/audio`
  return (
    <Card withBorder>
      <Title order={2} size="h5">{t('call.recording')}</Title>
      <audio ref={audio} controls preload="none" src={src} style={{ width: '100%' }} aria-label={t('call.recording')} />
      <Group>
        <SegmentedControl aria-label={t('call.speed')} value={rate} onChange={setRate} data={['0.75', '1', '1.25', '1.5', '2']} />
        <Button component="a" href={src} download variant="default">{t('call.download')}</Button>
      </Group>
    </Card>
  )
}
