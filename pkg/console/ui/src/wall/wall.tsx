import { Button, Group, Text, Title } from '@mantine/core'
import { memo, useEffect, useRef, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { useLink, useLive, type Agent, type Queue } from '../live'
import { Since, span, useNow } from '../parts/time'
import { Alarms, past, percent } from '../super/parts'
import './wall.css'

// Wall is for a screen that a room looks at, and for a telephone in a hand.
export function Wall() {
  const { t } = useTranslation()
  const { live } = useLive()
  const { link, staleSince } = useLink()
  const box = useRef<HTMLDivElement>(null)
  const [full, setFull] = useState(false)
  useEffect(() => {
    const changed = () => setFull(!!document.fullscreenElement)
    document.addEventListener('fullscreenchange', changed)
    return () => document.removeEventListener('fullscreenchange', changed)
  }, [])
  if (!live) return <Text>{t('loading')}</Text>
  const busy = live.agents.filter((a) => a.state !== 'offline')
  return (
    <div ref={box} className="wall" data-stale={link !== 'live' || undefined}>
      <Group justify="space-between" mb="sm">
        <Title order={1} size="h3">{t('wall.title')}</Title>
        <Group>
          <Clock />
          {document.fullscreenEnabled && <Button size="xs" variant="default" onClick={() => void (full ? document.exitFullscreen() : box.current?.requestFullscreen())}>{full ? t('wall.leave') : t('wall.full')}</Button>}
        </Group>
      </Group>
      {link !== 'live' && <Text role="status" fw={700} size="xl">{t('wall.stale', { since: staleSince ? span(Date.now() - staleSince) : '' })}</Text>}
      <Alarms alarms={live.alarms} queues={live.queues} big />
      <div className="wall-queues">{live.queues.map((q) => <Tile key={q.name} q={q} />)}</div>
      <Title order={2} size="h4" mt="md" mb="xs">{t('wall.agents')}</Title>
      <div className="wall-agents" role="list">{busy.map((a) => <Chip key={a.name} a={a} />)}</div>
    </div>
  )
}

function Clock() {
  const { i18n } = useTranslation()
  return <span className="tabular" style={{ fontSize: '1.4em', fontWeight: 700 }}>{new Date(useNow()).toLocaleTimeString(i18n.language)}</span>
}

const Tile = memo(function Tile({ q }: { q: Queue }) {
  const { t } = useTranslation()
  const now = useNow()
  const p = past(q, now)
  const bad = p.waiting || p.longest || p.ready || p.level(q.recent)
  const figures: [string, React.ReactNode, boolean?, string?][] = [
    ['live.longest', <Since at={q.oldest} />, p.longest],
    ['super.slnow', percent(q.recent.service_level), p.level(q.recent), 'slnow'],
    ['super.sltoday', percent(q.today.service_level), p.level(q.today), 'sltoday'],
    ['super.abandoned', q.today.abandoned, false, 'abandoned'],
    ['super.callbacks', q.callbacks ?? 0],
    ['live.free', `${q.free} / ${q.logged_in}`, p.ready],
  ]
  return (
    <section className="tile" data-queue={q.name} data-bad={bad || undefined} aria-label={q.display_name || q.name}>
      <h2>{bad ? '▲ ' : ''}{q.display_name || q.name}</h2>
      <div className="tile-waiting"><b data-figure="waiting">{q.waiting}</b> {t('live.waiting')}</div>
      <dl>
        {figures.map(([k, v, is, name]) => (
          <div key={k} data-past={is || undefined}><dt>{t(k)}</dt><dd className="tabular" data-figure={name}>{v}</dd></div>
        ))}
      </dl>
    </section>
  )
})

const Chip = memo(function Chip({ a }: { a: Agent }) {
  const { t } = useTranslation()
  return (
    <div role="listitem" className="chip state" data-agent={a.name} data-state={a.state}>
      <b>{a.name}</b> <span>{t('agent.' + a.state)}{a.reason ? ` · ${t('reason.' + a.reason, { defaultValue: a.reason })}` : ''}</span> <Since at={a.since} />
    </div>
  )
})
