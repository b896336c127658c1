import { Alert, Anchor, Group, Text } from '@mantine/core'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { Link } from 'wouter'
import type { Alarm, Figures, Queue } from '../live'
import { Since, span } from '../parts/time'
import './super.css'

export const stateColors: Record<string, string> = { ready: 'green', offered: 'blue', on_call: 'blue', wrap_up: 'yellow', not_ready: 'orange', offline: 'gray' }

// percent is a share as people read it.
export const percent = (x?: number) => (x === undefined ? '–' : Math.round(100 * x) + ' %')

// seconds as a clock.
export const seconds = (s?: number) => (s === undefined ? '–' : span(1000 * s))

// past tells whether a figure of a queue is past its bound, of what its limits say.
export function past(q: Queue, now: number) {
  const l = q.limits ?? {}
  return {
    waiting: !!l.waiting && q.waiting > l.waiting,
    longest: !!l.longest_wait_ms && !!q.oldest && now - Date.parse(q.oldest) > l.longest_wait_ms,
    ready: !!l.ready && q.free < l.ready && (q.waiting > 0 || q.logged_in > 0),
    level: (f: Figures) => !!l.service_level && f.service_level !== undefined && 100 * f.service_level < l.service_level,
  }
}

const units: Record<string, (v: number) => string> = { longest_wait: (v) => span(1000 * v), service_level: (v) => Math.round(v) + ' %', disk_low: (v) => v.toFixed(1) + ' %' }

// Alarms are read aloud when they come.
export function Alarms({ alarms, queues, big }: { alarms: Alarm[]; queues: Queue[]; big?: boolean }) {
  const { t } = useTranslation()
  const name = (q?: string) => queues.find((x) => x.name === q)?.display_name || q
  return (
    <div role="alert" aria-label={t('super.alarms')} data-alarms={alarms.length}>
      {alarms.map((a) => (
        <Alert key={a.alarm + (a.queue ?? '') + (a.call_id ?? '')} color="red" variant="filled" mb={6} p={big ? 'md' : 'xs'} data-alarm={a.alarm}>
          <Group gap="md">
            <Text fw={700} size={big ? 'xl' : 'sm'}>▲ {t('super.alarm.' + a.alarm)}{a.queue ? `: ${name(a.queue)}` : ''}</Text>
            {!a.call_id && <Text size={big ? 'lg' : 'sm'}>{t('super.of', { value: (units[a.alarm] ?? String)(a.value), limit: (units[a.alarm] ?? String)(a.limit) })}</Text>}
            {a.call_id && <Anchor component={Link} href={'/calls/' + a.call_id} c="white" td="underline">{a.call_id.slice(0, 8)}</Anchor>}
            <Text size={big ? 'lg' : 'sm'}><Since at={a.since} /></Text>
          </Group>
        </Alert>
      ))}
    </div>
  )
}

// Pick is a choice that does something at once. Its options are made when somebody is
// about to choose: a list of hundreds has one of these in each row.
export function Pick({ label, name, options, pick, disabled }: { label: string; name?: string; options: () => { value: string; label: string }[]; pick: (value: string) => void; disabled?: boolean }) {
  const [open, setOpen] = useState(false)
  return (
    <select className="mini" aria-label={name ? `${label} ${name}` : label} value="" disabled={disabled} onFocus={() => setOpen(true)} onPointerDown={() => setOpen(true)} onBlur={() => setOpen(false)}
      onChange={(e) => { if (e.currentTarget.value) pick(e.currentTarget.value) }}>
      <option value="">{label}</option>
      {open && options().map((o) => <option key={o.value} value={o.value}>{o.label}</option>)}
    </select>
  )
}
