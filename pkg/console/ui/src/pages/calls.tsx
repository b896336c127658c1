import { Button, Card, Group, Stack, TextInput, Title } from '@mantine/core'
import { useEffect, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { get } from '../api'
import type { Call } from '../live'
import { Wrong, useTry } from '../parts/error'
import { CallTable } from './desk'

const fields = ['caller', 'dialled', 'agent', 'queue'] as const

// Calls searches what was and what is.
export function Calls() {
  const { t } = useTranslation()
  const [by, setBy] = useState<Record<string, string>>({})
  const [calls, setCalls] = useState<Call[]>([])
  const [next, setNext] = useState<string>()
  const { run, wrong, busy, forget } = useTry()
  const find = (cursor?: string) =>
    run(async () => {
      const q = new URLSearchParams({ limit: '50' })
      for (const f of fields) if (by[f]) q.set(f, by[f])
      if (cursor) q.set('cursor', cursor)
      const r = await get<{ calls: Call[]; next?: string }>('/calls?' + q)
      setCalls(cursor ? [...calls, ...r.calls] : r.calls)
      setNext(r.next)
    })
  useEffect(() => void find(), [])
  return (
    <Stack>
      <Card withBorder component="form" onSubmit={(e: React.FormEvent) => { e.preventDefault(); void find() }}>
        <Title order={1} size="h4">{t('page.calls')}</Title>
        <Group align="end">
          {fields.map((f) => <TextInput key={f} label={t('calls.by.' + f)} value={by[f] ?? ''} onChange={(e) => setBy({ ...by, [f]: e.currentTarget.value.trim() })} />)}
          <Button type="submit" loading={busy}>{t('calls.find')}</Button>
        </Group>
      </Card>
      <Wrong wrong={wrong} forget={forget} />
      <Card withBorder>
        <CallTable calls={calls} />
        {next && <Button mt="md" variant="default" loading={busy} onClick={() => find(next)}>{t('calls.more')}</Button>}
      </Card>
    </Stack>
  )
}
