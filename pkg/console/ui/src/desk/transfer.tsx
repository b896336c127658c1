import { ActionIcon, Badge, Button, Group, ScrollArea, Stack, Table, Text, TextInput } from '@mantine/core'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { useLive } from '../live'
import { Since } from '../parts/time'
import { stateColors } from '../parts/states'

// Targets: who is there to be given the call, asked first, or taken in. One search over
// people, queues and numbers; those who are free come first.
export function Targets({ me, busy, transfer, consult, add, close }: {
  me: string
  busy: boolean
  transfer: (target: string) => void
  consult: (number: string) => void
  add: (target: string) => void
  close: () => void
}) {
  const { t } = useTranslation()
  const { live } = useLive()
  const [text, setText] = useState('')
  const wanted = text.trim().toLowerCase()
  const order = ['ready', 'wrap_up', 'not_ready', 'on_call', 'offered', 'reserved', 'ringing', 'offline']
  const people = (live?.agents ?? [])
    .filter((a) => a.name !== me && a.state !== 'offline' && a.reachable && (a.name.includes(wanted) || a.extension?.includes(wanted)))
    .sort((a, b) => order.indexOf(a.state) - order.indexOf(b.state))
  const queues = (live?.queues ?? []).filter((q) => (q.display_name ?? q.name).toLowerCase().includes(wanted))
  const number = /^[\d+*#][\d\s().-]*[\d*#]?$/.test(text.trim()) ? text.replace(/[^\d+*#]/g, '') : ''
  const row = (key: string, cells: React.ReactNode, target: string, dial?: string, alone?: boolean) => (
    <Table.Tr key={key} data-target={key}>
      <Table.Td>{cells}</Table.Td>
      <Table.Td>
        <Group gap={4} justify="flex-end" wrap="nowrap">
          <Button size="compact-sm" variant="default" disabled={busy} onClick={() => transfer(target)}>{t('call.transfer')}</Button>
          {dial && <Button size="compact-sm" disabled={busy} onClick={() => consult(dial)}>{t('call.consult')}</Button>}
          {!alone && <Button size="compact-sm" variant="default" disabled={busy} onClick={() => add(target)}>{t('call.add')}</Button>}
        </Group>
      </Table.Td>
    </Table.Tr>
  )
  return (
    <Stack gap="xs" onKeyDown={(e) => e.key === 'Escape' && close()}>
      <Group align="end" gap="xs" wrap="nowrap">
        <TextInput flex={1} data-autofocus autoFocus label={t('call.who')} value={text} onChange={(e) => setText(e.currentTarget.value)} />
        <ActionIcon size="lg" variant="default" aria-label={t('close')} onClick={close}>✕</ActionIcon>
      </Group>
      <ScrollArea.Autosize mah={320} viewportProps={{ tabIndex: 0, role: 'region', 'aria-label': t('call.who') }}>
        <Table>
          <Table.Tbody>
            {number && row('number', <Text fw={700}>{number}</Text>, number, number)}
            {people.map((a) => row('agent:' + a.name, (
              <Group gap="xs"><Text>{a.name}</Text><Badge color={stateColors[a.state] ?? 'gray'}>{t('agent.' + a.state)}</Badge><Text size="sm"><Since at={a.since} /></Text></Group>
            ), 'agent:' + a.name, a.extension))}
            {queues.map((q) => row('queue:' + q.name, (
              <Group gap="xs"><Text>{q.display_name ?? q.name}</Text><Badge color={q.free ? 'green' : 'gray'}>{t('live.free')} {q.free}</Badge><Text size="sm">{t('live.waiting')} {q.waiting}{q.oldest && <> · <Since at={q.oldest} /></>}</Text></Group>
            ), 'queue:' + q.name, undefined, true))}
          </Table.Tbody>
        </Table>
        {!number && people.length + queues.length === 0 && <Text c="dimmed">{t('call.nobody')}</Text>}
      </ScrollArea.Autosize>
    </Stack>
  )
}
