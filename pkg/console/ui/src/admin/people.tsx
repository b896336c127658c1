// Who may sign in: users with their accounts, links, sessions and second factors.
import { Alert, Anchor, Badge, Button, Card, Code, Group, Stack, Table, Text, TextInput, Title } from '@mantine/core'
import { useEffect, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { Link } from 'wouter'
import { del, get, name as el, post } from '../api'
import { Wrong, useTry } from '../parts/error'
import { list, type Resource } from './lib'

interface Account {
  name: string
  display_name?: string
  roles: string[]
  node?: boolean
  disabled?: boolean
  password: boolean
  totp: boolean
  passkeys: number
  sso: boolean
  sessions: number
  last_login?: string
}
export interface SessionInfo {
  id: string
  created: string
  seen: string
  expires: string
  source: string
  agent: string
  method: string
  current?: boolean
}

export function People({ may }: { may: boolean }) {
  const { t } = useTranslation()
  const [accounts, setAccounts] = useState<Account[]>()
  const [users, setUsers] = useState<Resource[]>([])
  const [open, setOpen] = useState<string>()
  const [link, setLink] = useState<{ name: string; url: string; expires: string }>()
  const [find, setFind] = useState('')
  const { run, wrong, busy, forget } = useTry()
  const look = async () => {
    const [a, u] = await Promise.all([get<{ items: Account[] }>('/accounts'), list('user')])
    setAccounts(a.items)
    setUsers(u)
  }
  useEffect(() => void run(look), [])
  const names = [...new Set([...(accounts ?? []).map((a) => a.name), ...users.map((u) => u.name)])].sort().filter((n) => !find || n.includes(find.toLowerCase()) || users.find((u) => u.name === n)?.spec.display_name?.toLowerCase().includes(find.toLowerCase()))
  const act = (f: () => Promise<unknown>) => run(async () => { await f(); await look() })
  const invite = (name: string, fresh: boolean) => run(async () => {
    const l = await post<{ url: string; expires: string }>(fresh ? '/accounts' : `/accounts/${el(name)}/link`, fresh ? { name } : {})
    setLink({ name, ...l })
    await look()
  })
  return (
    <Stack>
      <Group justify="space-between">
        <Title order={1} size="h4">{t('admin.page.people')}</Title>
        <Group><TextInput aria-label={t('admin.find')} placeholder={t('admin.find')} value={find} onChange={(e) => setFind(e.currentTarget.value)} />{may && <Button component={Link} href="/admin/user/+">{t('admin.newuser')}</Button>}</Group>
      </Group>
      <Text size="sm" c="dimmed">{t('admin.peoplehelp')}</Text>
      <Wrong wrong={wrong} forget={forget} />
      {link && (
        <Alert role="status" color="green" title={t('admin.linkfor', { name: link.name })} withCloseButton closeButtonLabel={t('close')} onClose={() => setLink(undefined)}>
          <Code block tabIndex={0} data-link>{link.url}</Code>
          <Text size="sm" mt={4}>{t('admin.linkhelp', { at: new Date(link.expires).toLocaleString() })}</Text>
          <Button mt="xs" size="xs" variant="default" onClick={() => navigator.clipboard.writeText(link.url)}>{t('admin.copy')}</Button>
        </Alert>
      )}
      <Card withBorder style={{ overflowX: 'auto' }}>
        {!accounts ? <Text>{t('loading')}</Text> : (
          <Table>
            <Table.Thead><Table.Tr>{['name', 'roles', 'signin', 'lastlogin', 'sessions'].map((k) => <Table.Th key={k}>{t('admin.' + k)}</Table.Th>)}<Table.Th><span className="visually-hidden">{t('live.actions')}</span></Table.Th></Table.Tr></Table.Thead>
            <Table.Tbody>{names.map((n) => {
              const a = accounts.find((x) => x.name === n)
              const u = users.find((x) => x.name === n)
              return (
                <Table.Tr key={n} data-person={n}>
                  <Table.Td>{u ? <Anchor component={Link} href={'/admin/user/' + el(n)}>{n}</Anchor> : n} <Text span size="sm" c="dimmed">{u?.spec.display_name}</Text></Table.Td>
                  <Table.Td>{(u?.spec.roles ?? a?.roles ?? []).map((r: string) => t('admin.value.' + r, { defaultValue: r })).join(', ')}</Table.Td>
                  <Table.Td><Group gap={4}>
                    {!a && <Text size="sm" c="dimmed">{t('admin.noaccount')}</Text>}
                    {a?.disabled && <Badge color="red">{t('admin.disabled')}</Badge>}
                    {a && !a.password && !a.sso && !a.passkeys && <Badge color="orange">{t('admin.nopassword')}</Badge>}
                    {a?.totp && <Badge color="green">{t('admin.totp')}</Badge>}
                    {!!a?.passkeys && <Badge color="green">{t('admin.passkeys', { count: a.passkeys })}</Badge>}
                    {a?.sso && <Badge color="blue">SSO</Badge>}
                    {a?.node && <Badge color="gray">{t('admin.nodewide')}</Badge>}
                  </Group></Table.Td>
                  <Table.Td>{a?.last_login ? new Date(a.last_login).toLocaleString() : '–'}</Table.Td>
                  <Table.Td>{a && <Button size="compact-sm" variant="default" aria-expanded={open === n} aria-label={`${a.sessions}: ${t('admin.sessionsof', { name: n })}`} onClick={() => setOpen(open === n ? undefined : n)}>{a.sessions}</Button>}</Table.Td>
                  <Table.Td>{may && <Group gap={4} justify="end">
                    {u && !a && <Button size="compact-sm" loading={busy} onClick={() => invite(n, true)}>{t('admin.invite')}</Button>}
                    {a && <Button size="compact-sm" variant="default" onClick={() => invite(n, false)}>{t('admin.newlink')}</Button>}
                    {a && (a.totp || a.passkeys > 0) && <Button size="compact-sm" variant="default" onClick={() => confirm(t('admin.reallyreset', { what: n })) && act(() => post(`/accounts/${el(n)}/reset-2fa`))}>{t('admin.reset2fa')}</Button>}
                    {a && <Button size="compact-sm" variant="default" onClick={() => act(() => post(`/accounts/${el(n)}/state`, { disabled: !a.disabled }))}>{t(a.disabled ? 'admin.enable' : 'admin.disable')}</Button>}
                    {a && <Button size="compact-sm" variant="default" onClick={() => confirm(t('admin.reallyremove', { what: n })) && act(() => del('/accounts/' + el(n)))}>{t('admin.remove')}</Button>}
                  </Group>}</Table.Td>
                </Table.Tr>
              )
            })}</Table.Tbody>
          </Table>
        )}
      </Card>
      {open && <Sessions title={t('admin.sessionsof', { name: open })} path={`/accounts/${el(open)}/sessions`} may={may} changed={() => run(look)} />}
    </Stack>
  )
}

// Sessions of an account, the own or another's, each with its end.
export function Sessions({ title, path, may, changed }: { title: string; path: string; may: boolean; changed?: () => void }) {
  const { t } = useTranslation()
  const [items, set] = useState<SessionInfo[]>()
  const { run, wrong, forget } = useTry()
  const look = async () => set((await get<{ items: SessionInfo[] }>(path)).items)
  useEffect(() => void run(look), [path])
  const end = (id: string) => run(async () => { await del(path + (id && '/' + el(id))); await look(); changed?.() })
  return (
    <Card withBorder component="section" style={{ overflowX: 'auto' }}>
      <Group justify="space-between"><Title order={2} size="h5">{title}</Title>{may && !!items?.length && <Button size="compact-sm" variant="default" onClick={() => end('')}>{t('admin.endall')}</Button>}</Group>
      <Wrong wrong={wrong} forget={forget} />
      <Table>
        <Table.Thead><Table.Tr>{['began', 'seen', 'from', 'browser', 'method'].map((k) => <Table.Th key={k}>{t('admin.' + k)}</Table.Th>)}<Table.Th><span className="visually-hidden">{t('live.actions')}</span></Table.Th></Table.Tr></Table.Thead>
        <Table.Tbody>{items?.map((s) => (
          <Table.Tr key={s.id}>
            <Table.Td>{new Date(s.created).toLocaleString()}</Table.Td><Table.Td>{new Date(s.seen).toLocaleString()}</Table.Td><Table.Td>{s.source}</Table.Td><Table.Td style={{ maxWidth: 360, overflowWrap: 'anywhere' }}>{s.agent}</Table.Td><Table.Td>{s.method}</Table.Td>
            <Table.Td>{s.current ? <Badge>{t('admin.thisone')}</Badge> : may && <Button size="compact-sm" variant="default" onClick={() => end(s.id)}>{t('admin.end')}</Button>}</Table.Td>
          </Table.Tr>
        ))}</Table.Tbody>
      </Table>
    </Card>
  )
}
