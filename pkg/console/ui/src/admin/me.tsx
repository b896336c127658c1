// The own account: password, second factor, passkeys, sessions.
import { Alert, Badge, Button, Card, Code, Group, PasswordInput, SimpleGrid, Stack, Table, Text, TextInput, Title } from '@mantine/core'
import { useEffect, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { encode } from 'uqr'
import { del, get, name as el, post, send, type Session } from '../api'
import { Wrong, useTry } from '../parts/error'
import { makePasskey } from '../parts/passkey'
import { save } from './lib'
import { Sessions } from './people'

export function Me({ session, changed }: { session: Session; changed: () => void }) {
  const { t } = useTranslation()
  const u = session.user!
  return (
    <Stack>
      <Title order={1} size="h4">{t('admin.me.title', { name: u.display_name || u.name })}</Title>
      <Text size="sm" c="dimmed">{u.tenant} / {u.name} · {u.roles.map((r) => t('admin.value.' + r, { defaultValue: r })).join(', ')}</Text>
      <SimpleGrid cols={{ base: 1, md: 2 }}>
        <Password />
        <Totp on={u.totp} changed={changed} />
      </SimpleGrid>
      {session.login.passkeys && <Passkeys />}
      <Sessions title={t('admin.me.sessions')} path="/me/sessions" may />
    </Stack>
  )
}

const Pass = ({ label, value, set, fresh }: { label: string; value: string; set: (s: string) => void; fresh?: boolean }) => {
  const { t } = useTranslation()
  return <PasswordInput required label={label} value={value} onChange={(e) => set(e.currentTarget.value)} minLength={fresh ? 10 : undefined} autoComplete={fresh ? 'new-password' : 'current-password'} visibilityToggleButtonProps={{ 'aria-label': t('signin.show') }} />
}

function Password() {
  const { t } = useTranslation()
  const [old, setOld] = useState('')
  const [fresh, setFresh] = useState('')
  const [done, setDone] = useState(false)
  const { run, wrong, busy, forget } = useTry()
  return (
    <Card withBorder component="form" onSubmit={(e: React.FormEvent) => { e.preventDefault(); void run(async () => { await post('/me/password', { old, new: fresh }); setDone(true); setOld(''); setFresh('') }) }}>
      <Stack gap="xs">
        <Title order={2} size="h5">{t('signin.password')}</Title>
        <Wrong wrong={wrong} forget={forget} />
        {done && <Text size="sm" role="status">{t('admin.me.changed')}</Text>}
        <Pass label={t('admin.me.old')} value={old} set={setOld} />
        <Pass fresh label={t('signin.newpassword')} value={fresh} set={setFresh} />
        <div><Button type="submit" loading={busy}>{t('admin.me.change')}</Button></div>
      </Stack>
    </Card>
  )
}

// QR is drawn here: the secret leaves the page for nobody.
function QR({ text }: { text: string }) {
  const { t } = useTranslation()
  const { data, size } = encode(text, { border: 2 })
  return (
    <svg role="img" aria-label={t('admin.me.qr')} viewBox={`0 0 ${size} ${size}`} width={220} height={220} shapeRendering="crispEdges">
      <rect width={size} height={size} fill="#fff" />
      <path fill="#000" d={data.flatMap((row, y) => row.map((on, x) => (on ? `M${x} ${y}h1v1h-1z` : ''))).join('')} />
    </svg>
  )
}

function Totp({ on, changed }: { on: boolean; changed: () => void }) {
  const { t } = useTranslation()
  const [password, setPassword] = useState('')
  const [begun, setBegun] = useState<{ secret: string; url: string }>()
  const [code, setCode] = useState('')
  const [codes, setCodes] = useState<string[]>()
  const { run, wrong, busy, forget } = useTry()
  const submit = () =>
    run(async () => {
      if (begun) {
        setCodes((await post<{ recovery: string[] }>('/me/totp/confirm', { code })).recovery)
        setBegun(undefined)
        setCode('')
        changed()
      } else if (on) {
        await send('DELETE', '/me/totp', JSON.stringify({ password }), { 'Content-Type': 'application/json' })
        setCodes(undefined)
        changed()
      } else setBegun(await post('/me/totp', { password }))
      setPassword('')
    })
  return (
    <Card withBorder component="form" onSubmit={(e: React.FormEvent) => { e.preventDefault(); void submit() }}>
      <Stack gap="xs">
        <Group justify="space-between"><Title order={2} size="h5">{t('admin.totp')}</Title><Badge color={on ? 'green' : 'gray'} variant="filled">{t(on ? 'admin.on' : 'admin.off')}</Badge></Group>
        <Wrong wrong={wrong} forget={forget} />
        {codes && (
          <Alert color="green" role="status" title={t('admin.me.recovery')}>
            <Text size="sm">{t('admin.me.recoveryhelp')}</Text>
            <Code block tabIndex={0}>{codes.join('\n')}</Code>
            <Button mt="xs" size="xs" variant="default" onClick={() => save(codes.join('\n') + '\n', 'centrala-recovery-codes.txt', 'text/plain')}>{t('admin.download')}</Button>
          </Alert>
        )}
        {begun ? (
          <>
            <Text size="sm">{t('admin.me.scan')}</Text>
            <QR text={begun.url} />
            <Code>{begun.secret}</Code>
            <TextInput required label={t('admin.me.code')} inputMode="numeric" autoComplete="one-time-code" value={code} onChange={(e) => setCode(e.currentTarget.value.trim())} />
          </>
        ) : <Pass label={t('admin.me.proof')} value={password} set={setPassword} />}
        <Group><Button type="submit" loading={busy}>{t(begun ? 'admin.me.confirm' : on ? 'admin.me.off' : 'admin.me.on')}</Button>{begun && <Button variant="default" onClick={() => setBegun(undefined)}>{t('admin.cancel')}</Button>}</Group>
        {on && !codes && <Text size="xs" c="dimmed">{t('admin.me.newcodes')}</Text>}
      </Stack>
    </Card>
  )
}

interface Passkey {
  id: string
  label: string
  created: string
  used?: string
}

function Passkeys() {
  const { t } = useTranslation()
  const [items, set] = useState<Passkey[]>([])
  const [label, setLabel] = useState('')
  const [password, setPassword] = useState('')
  const { run, wrong, busy, forget } = useTry()
  const look = async () => set((await get<{ items: Passkey[] }>('/me/passkeys')).items)
  useEffect(() => void run(look), [])
  const add = () =>
    run(async () => {
      await makePasskey(password, label)
      setLabel('')
      setPassword('')
      await look()
    })
  return (
    <Card withBorder component="form" onSubmit={(e: React.FormEvent) => { e.preventDefault(); void add() }}>
      <Title order={2} size="h5">{t('admin.me.passkeys')}</Title>
      <Text size="sm" c="dimmed">{t('admin.me.passkeyhelp')}</Text>
      <Wrong wrong={wrong} forget={forget} />
      {items.length > 0 && <Table><Table.Tbody>{items.map((k) => (
        <Table.Tr key={k.id}><Table.Td>{k.label}</Table.Td><Table.Td>{new Date(k.created).toLocaleDateString()}</Table.Td><Table.Td>{k.used && new Date(k.used).toLocaleString()}</Table.Td>
          <Table.Td><Button size="compact-sm" variant="default" onClick={() => run(async () => { await del('/me/passkeys/' + el(k.id)); await look() })}>{t('admin.remove')}</Button></Table.Td></Table.Tr>
      ))}</Table.Tbody></Table>}
      <Group mt="xs" align="end">
        <TextInput label={t('admin.name')} value={label} onChange={(e) => setLabel(e.currentTarget.value)} required maxLength={64} />
        <Pass label={t('admin.me.proof')} value={password} set={setPassword} />
        <Button type="submit" loading={busy}>{t('admin.me.addpasskey')}</Button>
      </Group>
    </Card>
  )
}
