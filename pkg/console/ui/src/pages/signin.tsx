import { Button, Card, PasswordInput, Stack, TextInput, Title } from '@mantine/core'
import { useEffect, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { Problem, post, type Session } from '../api'
import { Wrong, useTry } from '../parts/error'
import { signInByPasskey } from '../parts/passkey'

export function SignIn({ session, done }: { session: Session; done: (s: Session) => void }) {
  const { t } = useTranslation()
  const [tenant, setTenant] = useState('')
  const [name, setName] = useState('')
  const [password, setPassword] = useState('')
  const [code, setCode] = useState<string>()
  const { run, wrong, busy, forget } = useTry()

  const enter = () =>
    run(async () => {
      try {
        done(await post<Session>('/session', { tenant: tenant || undefined, name, password, code: code || undefined }))
      } catch (e) {
        if (e instanceof Problem && e.code === 'code_wanted') {
          setCode('')
          return
        }
        throw e
      }
    })
  return (
    <main>
      <Card withBorder maw={420} mx="auto" mt="10vh" component="form" onSubmit={(e: React.FormEvent) => { e.preventDefault(); void enter() }}>
        <Stack>
          <Title order={1} size="h3">{t('signin.title')}</Title>
          <Wrong wrong={wrong} forget={forget} />
          <TextInput label={t('signin.name')} autoComplete="username" value={name} onChange={(e) => setName(e.currentTarget.value)} required />
          <PasswordInput label={t('signin.password')} autoComplete="current-password" value={password} onChange={(e) => setPassword(e.currentTarget.value)} required
            visibilityToggleButtonProps={{ 'aria-label': t('signin.show') }} />
          {code !== undefined && <TextInput label={t('signin.code')} autoComplete="one-time-code" inputMode="numeric" autoFocus value={code} onChange={(e) => setCode(e.currentTarget.value)} />}
          <TextInput label={t('signin.tenant')} value={tenant} onChange={(e) => setTenant(e.currentTarget.value)} placeholder="default" />
          <Button type="submit" loading={busy}>{t('signin.enter')}</Button>
          {session.login.passkeys && 'credentials' in navigator && <Button variant="default" onClick={() => run(async () => done(await signInByPasskey()))}>{t('signin.passkey')}</Button>}
          {session.login.sso?.map((s) => <Button key={s.name} component="a" variant="default" href={'/api/v1/session/sso/' + encodeURIComponent(s.name)}>{s.label}</Button>)}
        </Stack>
      </Card>
    </main>
  )
}

// UseLink takes a one-time link: the first administrator's, or a forgotten password's.
export function UseLink({ token, done }: { token: string; done: (s: Session) => void }) {
  const { t } = useTranslation()
  const [who, setWho] = useState<{ tenant: string; name: string }>()
  const [password, setPassword] = useState('')
  const { run, wrong, busy, forget } = useTry()
  useEffect(() => void run(async () => setWho(await post('/session/link/look', { token }))), [token])
  return (
    <main>
      <Card withBorder maw={420} mx="auto" mt="10vh" component="form" onSubmit={(e: React.FormEvent) => { e.preventDefault(); void run(async () => done(await post<Session>('/session/link', { token, password }))) }}>
        <Stack>
          <Title order={1} size="h3">{t('signin.link', { name: who?.name ?? '…' })}</Title>
          <Wrong wrong={wrong} forget={forget} />
          <PasswordInput label={t('signin.newpassword')} autoComplete="new-password" value={password} onChange={(e) => setPassword(e.currentTarget.value)} required
            visibilityToggleButtonProps={{ 'aria-label': t('signin.show') }} />
          <Button type="submit" loading={busy} disabled={!who}>{t('signin.set')}</Button>
        </Stack>
      </Card>
    </main>
  )
}
