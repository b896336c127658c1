// The flows that there are, live and as drafts.
import { Anchor, Badge, Button, Card, Group, Stack, Table, Text, TextInput, Title } from '@mantine/core'
import { useEffect, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { Link, useLocation } from 'wouter'
import { get, name as el } from '../../api'
import { Wrong, useTry } from '../../parts/error'

interface Flow {
  name: string
  description?: string
  version: number
  steps: number
  tests: number
  draft: boolean
  draft_at?: string
  draft_by?: string
  draft_base?: number
}

export function Flows({ may }: { may: boolean }) {
  const { t } = useTranslation()
  const [items, set] = useState<Flow[]>()
  const [name, setName] = useState('')
  const [, go] = useLocation()
  const { run, wrong, forget } = useTry()
  useEffect(() => void run(async () => set((await get<{ items: Flow[] }>('/flows')).items)), [])
  return (
    <Stack>
      <Title order={1} size="h4">{t('admin.page.flows')}</Title>
      <Wrong wrong={wrong} forget={forget} />
      {may && (
        <Group component="form" align="end" onSubmit={(e: React.FormEvent) => { e.preventDefault(); go('/admin/flows/' + el(name)) }}>
          <TextInput required label={t('admin.flow.newname')} value={name} pattern="[a-z0-9][a-z0-9_\-]{0,63}" onChange={(e) => setName(e.currentTarget.value)} />
          <Button type="submit">{t('admin.flow.new')}</Button>
        </Group>
      )}
      <Card withBorder style={{ overflowX: 'auto' }}>
        {!items ? <Text>{t('loading')}</Text> : (
          <Table>
            <Table.Thead><Table.Tr><Table.Th>{t('admin.name')}</Table.Th><Table.Th>{t('admin.version')}</Table.Th><Table.Th>{t('admin.flow.steps')}</Table.Th><Table.Th>{t('admin.flow.tests')}</Table.Th><Table.Th>{t('admin.flow.draft')}</Table.Th><Table.Th>{t('admin.summary')}</Table.Th></Table.Tr></Table.Thead>
            <Table.Tbody>{items.map((f) => (
              <Table.Tr key={f.name}>
                <Table.Td><Anchor component={Link} href={'/admin/flows/' + el(f.name)}>{f.name}</Anchor></Table.Td><Table.Td>{f.version || '–'}</Table.Td><Table.Td>{f.steps}</Table.Td><Table.Td>{f.tests}</Table.Td>
                <Table.Td>{f.draft && <>{new Date(f.draft_at!).toLocaleString()} {f.draft_by} {(f.draft_base ?? 0) < f.version && <Badge color="orange">{t('admin.flow.behind')}</Badge>}</>}</Table.Td><Table.Td>{f.description}</Table.Td>
              </Table.Tr>
            ))}</Table.Tbody>
          </Table>
        )}
      </Card>
    </Stack>
  )
}
