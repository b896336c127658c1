// Published versions: who, when, what differs from what is being written, and going back.
import { Badge, Button, Card, Group, Stack, Table, Text, Title } from '@mantine/core'
import { useEffect, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { get, name as el } from '../../api'
import { Wrong, useTry } from '../../parts/error'
import { lines } from './model'

interface Version {
  version: number
  at: string
  by: string
  live?: boolean
  removed?: boolean
}

export function Lines({ was, is }: { was: string; is: string }) {
  const { t } = useTranslation()
  const all = lines(was.trimEnd(), is.trimEnd())
  if (all.every((l) => l.mark === ' ')) return <Text size="sm" c="dimmed">{t('admin.nodiff')}</Text>
  // Three lines around each change, as everywhere.
  const near = all.map((_, i) => all.slice(Math.max(0, i - 3), i + 4).some((l) => l.mark !== ' '))
  const colour = { ' ': undefined, '-': 'var(--went)', '+': 'var(--came)' }
  return (
    <pre tabIndex={0} aria-label={t('admin.flow.diff')} style={{ margin: 0, fontSize: 12, overflow: 'auto', maxHeight: 400 }}>
      {all.map((l, i) => (near[i] ? <div key={i} style={{ background: colour[l.mark] }}>{l.mark} {l.text}</div> : near[i - 1] ? <div key={i}>…</div> : null))}
    </pre>
  )
}

export function Versions({ flow, text, may, back, changed }: { flow: string; text: string; may: boolean; back: (version: number) => void; changed: number }) {
  const { t } = useTranslation()
  const [items, set] = useState<Version[]>([])
  const [shown, setShown] = useState<{ version: number; spec: string }>()
  const { run, wrong, forget } = useTry()
  useEffect(() => void get<{ items: Version[] }>(`/flows/${el(flow)}/versions`).then((r) => set(r.items), () => set([])), [flow, changed])
  return (
    <Card withBorder component="section" aria-label={t('admin.versions')}>
      <Stack gap="xs">
        <Title order={2} size="h5">{t('admin.versions')}</Title>
        <Wrong wrong={wrong} forget={forget} />
        {items.length === 0 ? <Text size="sm" c="dimmed">{t('admin.flow.never')}</Text> : (
          <Table verticalSpacing={2}>
            <Table.Thead><Table.Tr><Table.Th>{t('admin.version')}</Table.Th><Table.Th>{t('admin.when')}</Table.Th><Table.Th>{t('admin.by')}</Table.Th><Table.Th><span className="visually-hidden">{t('live.actions')}</span></Table.Th></Table.Tr></Table.Thead>
            <Table.Tbody>{items.map((v, i) => (
              <Table.Tr key={i}>
                <Table.Td>{v.removed ? t('admin.op.remove') : v.version} {v.live && <Badge color="green" variant="filled">{t('admin.flow.live')}</Badge>}</Table.Td><Table.Td>{new Date(v.at).toLocaleString()}</Table.Td><Table.Td>{v.by}</Table.Td>
                <Table.Td>{!v.removed && <Group gap={4} justify="end">
                  <Button size="compact-xs" variant="default" onClick={() => run(async () => setShown(shown?.version === v.version ? undefined : await get(`/flows/${el(flow)}?version=${v.version}`)))}>{t('admin.flow.compare')}</Button>
                  {may && !v.live && <Button size="compact-xs" variant="default" onClick={() => confirm(t('admin.flow.reallyback', { version: v.version })) && back(v.version)}>{t('admin.flow.rollback')}</Button>}
                </Group>}</Table.Td>
              </Table.Tr>
            ))}</Table.Tbody>
          </Table>
        )}
        {shown && <><Text size="sm" fw={700}>{t('admin.flow.since', { version: shown.version })}</Text><Lines was={shown.spec} is={text} /></>}
      </Stack>
    </Card>
  )
}
