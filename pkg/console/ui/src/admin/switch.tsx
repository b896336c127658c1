// Is it open now, and the one switch that closes it whatever the hours say.
import { Badge, Button, Card, Group, Text, TextInput } from '@mantine/core'
import { useEffect, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { get, name as el, post } from '../api'
import { Wrong, useTry } from '../parts/error'

interface State {
  open: boolean
  why: string
  what?: string
  changes?: string
  closure?: { until?: string; by: string; reason?: string }
}

export function ScheduleSwitch({ name, may }: { name: string; may: boolean }) {
  const { t } = useTranslation()
  const [s, set] = useState<State>()
  const [reason, setReason] = useState('')
  const [until, setUntil] = useState('')
  const { run, wrong, busy, forget } = useTry()
  useEffect(() => void run(async () => set(await get<State>('/schedules/' + el(name)))), [name])
  if (!s) return <Wrong wrong={wrong} forget={forget} />
  return (
    <Card withBorder mb="md">
      <Wrong wrong={wrong} forget={forget} />
      <Group align="end">
        <Badge size="lg" variant="filled" color={s.open ? 'green' : 'red'}>{t(s.open ? 'admin.open' : 'admin.closed')}</Badge>
        <Text size="sm">{t('admin.why.' + s.why, { defaultValue: s.why })} {s.what} {s.changes && t('admin.until', { at: new Date(s.changes).toLocaleString() })} {s.closure && t('admin.closedby', { by: s.closure.by })}</Text>
        {may && s.closure && <Button size="xs" loading={busy} onClick={() => run(async () => set(await post<State>(`/schedules/${el(name)}/open`)))}>{t('admin.reopen')}</Button>}
        {may && !s.closure && (
          <>
            <TextInput size="xs" label={t('admin.reason')} value={reason} onChange={(e) => setReason(e.currentTarget.value)} maxLength={200} />
            <TextInput size="xs" type="datetime-local" label={t('admin.closeuntil')} value={until} onChange={(e) => setUntil(e.currentTarget.value)} />
            <Button size="xs" color="red" loading={busy} onClick={() => run(async () => set(await post<State>(`/schedules/${el(name)}/close`, { ...(reason ? { reason } : {}), ...(until ? { until: new Date(until).toISOString() } : {}) })))}>{t('admin.closenow')}</Button>
          </>
        )}
      </Group>
    </Card>
  )
}
