// Who saw and changed what.
import { Button, Card, Code, Group, Stack, Table, Text, TextInput, Title } from '@mantine/core'
import { useEffect, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { get } from '../api'
import { Wrong, useTry } from '../parts/error'

interface Line {
  seq: number
  at: string
  by: string
  action: string
  object?: string
  detail?: string
  source?: string
}

export function Audit() {
  const { t } = useTranslation()
  const [by, setBy] = useState<Record<string, string>>({})
  const [items, set] = useState<Line[]>()
  const [next, setNext] = useState<string>()
  const { run, wrong, busy, forget } = useTry()
  const look = (cursor?: string) => run(async () => {
    const q = new URLSearchParams({ limit: '100' })
    for (const [k, v] of Object.entries(by)) if (v) q.set(k, k === 'from' || k === 'to' ? new Date(v).toISOString() : v)
    if (cursor) q.set('cursor', cursor)
    const page = await get<{ items: Line[]; next?: string }>('/audit?' + q)
    set((old) => (cursor ? [...(old ?? []), ...(page.items ?? [])] : (page.items ?? [])))
    setNext(page.next)
  })
  useEffect(() => void look(), [])
  return (
    <Stack>
      <Title order={1} size="h4">{t('admin.page.audit')}</Title>
      <Card withBorder component="form" onSubmit={(e: React.FormEvent) => { e.preventDefault(); void look() }}>
        <Group align="end">
          {['by', 'action', 'object'].map((k) => <TextInput key={k} label={t('admin.audit.' + k)} placeholder={k === 'action' ? 'recording.*' : undefined} value={by[k] ?? ''} onChange={(e) => setBy({ ...by, [k]: e.currentTarget.value.trim() })} />)}
          {['from', 'to'].map((k) => <TextInput key={k} type="datetime-local" label={t('admin.audit.' + k)} value={by[k] ?? ''} onChange={(e) => setBy({ ...by, [k]: e.currentTarget.value })} />)}
          <Button type="submit" loading={busy}>{t('calls.find')}</Button>
        </Group>
      </Card>
      <Wrong wrong={wrong} forget={forget} />
      <Card withBorder style={{ overflowX: 'auto' }}>
        {items?.length === 0 ? <Text c="dimmed">{t('admin.nothing')}</Text> : (
          <Table>
            <Table.Thead><Table.Tr>{['at', 'by', 'action', 'object', 'detail', 'source'].map((k) => <Table.Th key={k}>{t('admin.audit.' + k)}</Table.Th>)}</Table.Tr></Table.Thead>
            <Table.Tbody>{items?.map((l) => <Table.Tr key={l.seq}><Table.Td>{new Date(l.at).toLocaleString()}</Table.Td><Table.Td>{l.by}</Table.Td><Table.Td><Code>{l.action}</Code></Table.Td><Table.Td>{l.object}</Table.Td><Table.Td>{l.detail}</Table.Td><Table.Td>{l.source}</Table.Td></Table.Tr>)}</Table.Tbody>
          </Table>
        )}
        {next && <Button mt="md" variant="default" loading={busy} onClick={() => look(next)}>{t('calls.more')}</Button>}
      </Card>
    </Stack>
  )
}
