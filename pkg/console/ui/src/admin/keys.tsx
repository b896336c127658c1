// API keys: for programs, with a role, perhaps fewer rights, and an end.
import { Alert, Badge, Button, Card, Checkbox, Code, Group, NativeSelect, SimpleGrid, Stack, Table, Text, TextInput, Title } from '@mantine/core'
import { useEffect, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { del, get, name as el, post, type Session } from '../api'
import { Wrong, useTry } from '../parts/error'

interface Key {
  id: string
  name: string
  role: string
  rights?: string[]
  by: string
  created: string
  expires?: string
  used?: string
}

export function Keys({ session, may }: { session: Session; may: boolean }) {
  const { t } = useTranslation()
  const [items, set] = useState<Key[]>()
  const [fresh, setFresh] = useState({ name: '', role: 'api', days: '90', rights: [] as string[] })
  const [made, setMade] = useState<{ name: string; secret: string }>()
  const { run, wrong, busy, forget } = useTry()
  const look = async () => set((await get<{ items: Key[] }>('/keys')).items)
  useEffect(() => void run(look), [])
  const make = () => run(async () => {
    const k = await post<{ name: string; secret: string }>('/keys', { name: fresh.name, role: fresh.role, ...(fresh.rights.length ? { rights: fresh.rights } : {}), ...(fresh.days ? { expires: new Date(Date.now() + Number(fresh.days) * 864e5).toISOString() } : {}) })
    setMade(k)
    setFresh({ ...fresh, name: '', rights: [] })
    await look()
  })
  return (
    <Stack>
      <Title order={1} size="h4">{t('admin.page.keys')}</Title>
      <Wrong wrong={wrong} forget={forget} />
      {made && <Alert role="status" color="green" title={t('admin.keyfor', { name: made.name })} withCloseButton closeButtonLabel={t('close')} onClose={() => setMade(undefined)}><Code block tabIndex={0} data-secret>{made.secret}</Code><Text size="sm" mt={4}>{t('admin.keyhelp')}</Text></Alert>}
      {may && (
        <Card withBorder component="form" onSubmit={(e: React.FormEvent) => { e.preventDefault(); void make() }}>
          <Group align="end">
            <TextInput required label={t('admin.name')} value={fresh.name} onChange={(e) => setFresh({ ...fresh, name: e.currentTarget.value })} />
            <NativeSelect label={t('admin.role')} value={fresh.role} onChange={(e) => setFresh({ ...fresh, role: e.currentTarget.value })} data={['api', 'agent', 'supervisor', 'quality', 'admin', 'ops'].map((r) => ({ value: r, label: t('admin.value.' + r) }))} />
            <NativeSelect label={t('admin.expires')} value={fresh.days} onChange={(e) => setFresh({ ...fresh, days: e.currentTarget.value })} data={[...['7', '30', '90', '365'].map((d) => ({ value: d, label: t('admin.days', { count: Number(d) }) })), { value: '', label: t('admin.never') }]} />
            <Button type="submit" loading={busy}>{t('admin.makekey')}</Button>
          </Group>
          <Checkbox.Group mt="xs" label={t('admin.onlyrights')} description={t('admin.onlyrightshelp')} value={fresh.rights} onChange={(rights) => setFresh({ ...fresh, rights })}>
            <SimpleGrid mt={4} cols={{ base: 2, md: 4 }} spacing={4}>{Object.keys(session.rights ?? {}).sort().map((r) => <Checkbox key={r} value={r} label={r} />)}</SimpleGrid>
          </Checkbox.Group>
        </Card>
      )}
      <Card withBorder style={{ overflowX: 'auto' }}>
        {items?.length === 0 ? <Text c="dimmed">{t('admin.nothing')}</Text> : (
          <Table>
            <Table.Thead><Table.Tr>{['name', 'role', 'rights', 'by', 'created', 'expires', 'used'].map((k) => <Table.Th key={k}>{t('admin.' + k)}</Table.Th>)}<Table.Th><span className="visually-hidden">{t('live.actions')}</span></Table.Th></Table.Tr></Table.Thead>
            <Table.Tbody>{items?.map((k) => (
              <Table.Tr key={k.id}>
                <Table.Td>{k.name} <Code>{k.id}</Code></Table.Td><Table.Td>{t('admin.value.' + k.role, { defaultValue: k.role })}</Table.Td><Table.Td>{k.rights?.join(', ') ?? t('admin.allofrole')}</Table.Td><Table.Td>{k.by}</Table.Td>
                <Table.Td>{new Date(k.created).toLocaleDateString()}</Table.Td>
                <Table.Td>{k.expires ? <>{new Date(k.expires).toLocaleDateString()} {Date.parse(k.expires) < Date.now() && <Badge color="red">{t('admin.expired')}</Badge>}</> : t('admin.never')}</Table.Td>
                <Table.Td>{k.used ? new Date(k.used).toLocaleString() : '–'}</Table.Td>
                <Table.Td>{may && <Button size="compact-sm" variant="default" onClick={() => confirm(t('admin.reallyremove', { what: k.name })) && run(async () => { await del('/keys/' + el(k.id)); await look() })}>{t('admin.revoke')}</Button>}</Table.Td>
              </Table.Tr>
            ))}</Table.Tbody>
          </Table>
        )}
      </Card>
    </Stack>
  )
}
