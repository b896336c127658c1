import { ActionIcon, Alert, Anchor, Badge, Button, Group, NativeSelect, useMantineColorScheme } from '@mantine/core'
import { Suspense, lazy, useEffect, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { Link, Redirect, Route, Switch, useLocation } from 'wouter'
import { del, get, whenSignedOut, type Session } from './api'
import { stop, useLink } from './live'
import { phone, usePhone } from './phone'
import { languages, speak, type Language } from './words'
import { SignIn, UseLink } from './pages/signin'
import { span } from './parts/time'

const Desk = lazy(() => import('./pages/desk').then((m) => ({ default: m.Desk })))
// The supervisor's pages come with words of their own.
const words = <T,>(page: Promise<T>) => import('./super/words').then((w) => w.withWords(page))
const LivePage = lazy(() => words(import('./pages/live')).then((m) => ({ default: m.LivePage })))
const Wall = lazy(() => words(import('./wall/wall')).then((m) => ({ default: m.Wall })))
const Calls = lazy(() => words(import('./pages/calls')).then((m) => ({ default: m.Calls })))
const CallPage = lazy(() => words(import('./pages/call')).then((m) => ({ default: m.CallPage })))
const Start = lazy(() => import('./pages/start').then((m) => ({ default: m.Start })))
const Admin = lazy(() => import('./admin/admin').then((m) => ({ default: m.Admin })))
const CallerPage = lazy(() => import('./pages/caller').then((m) => ({ default: m.CallerPage })))

export function App() {
  const { t } = useTranslation()
  const [session, setSession] = useState<Session>()
  const [wrong, setWrong] = useState<string>()
  const [at, go] = useLocation()

  const look = () =>
    get<Session>('/session').then(setSession, (e) => {
      setWrong(e.message)
      setTimeout(look, 3000)
    })
  useEffect(() => {
    whenSignedOut(() => {
      stop()
      phone.stop()
      void look()
    })
    void look()
  }, [])

  const token = /^#\/link\/(.+)$/.exec(location.hash)?.[1]
  if (!session) return <main style={{ padding: '2em' }}>{wrong ? <Alert color="red">{t('link.reconnecting')}</Alert> : t('loading')}</main>
  if (token) return <UseLink token={token} done={(s) => { history.replaceState(null, '', '/'); setSession(s) }} />
  if (at === '/' && session.login.demo) return <Frame session={session} leave={leave}><Start session={session} /></Frame>
  if (at.startsWith('/caller') && session.login.demo) return <Frame session={session} leave={leave}><CallerPage /></Frame>
  if (!session.user) return <SignIn session={session} done={setSession} />

  async function leave() {
    phone.stop()
    stop()
    await del('/session').catch(() => {})
    go('/')
    await look()
  }
  const home = session.rights?.['phone.use'] && !session.user.roles.includes('supervisor') ? '/desk' : '/live'
  return (
    <Frame session={session} leave={leave}>
      <Switch>
        <Route path="/desk"><Desk session={session} /></Route>
        <Route path="/live"><LivePage session={session} /></Route>
        <Route path="/wall"><Wall /></Route>
        <Route path="/calls"><Calls /></Route>
        <Route path="/calls/:id">{(p) => <CallPage id={p.id!} session={session} />}</Route>
        <Route path="/admin/*?"><Admin session={session} changed={look} /></Route>
        <Route path="/me"><Admin session={session} changed={look} /></Route>
        <Route><Redirect to={home} /></Route>
      </Switch>
    </Frame>
  )
}

function Frame({ session, leave, children }: { session: Session; leave: () => void; children: React.ReactNode }) {
  const { t, i18n } = useTranslation()
  const [at] = useLocation()
  const { colorScheme, toggleColorScheme } = useMantineColorScheme()
  const pages = session.user
    ? [
        ['/desk', 'phone.use'],
        ['/live', 'live.read', 'tenant'],
        ['/wall', 'live.read', 'tenant'],
        ['/calls', 'calls.read'],
        ['/admin', 'resources.read'],
      ].filter(([, right, scope]) => session.rights?.[right] && (!scope || session.rights[right] === scope))
    : []
  return (
    <>
      <Group component="header" justify="space-between" px="md" py={6} style={{ borderBottom: '1px solid var(--mantine-color-default-border)' }}>
        <Group component="nav" aria-label={t('nav')} gap="md">
          <Anchor component={Link} href="/" fw={700} underline="never" c="var(--mantine-color-text)">Centrala</Anchor>
          {pages.map(([path]) => (
            <Anchor key={path} component={Link} href={path} aria-current={at === path ? 'page' : undefined} fw={at === path ? 700 : 400} c="var(--mantine-color-text)">
              {t('page.' + path.slice(1))}
            </Anchor>
          ))}
        </Group>
        <Group gap="xs">
          {session.user && at !== '/desk' && <CallState />}
          {session.user && <LinkState />}
          {session.user && <Anchor component={Link} href="/me" size="sm" c="var(--mantine-color-text)">{session.user.display_name || session.user.name}</Anchor>}
          <NativeSelect size="xs" aria-label={t('language')} value={i18n.language} onChange={(e) => void speak(e.currentTarget.value as Language)} data={Object.entries(languages).map(([value, label]) => ({ value, label }))} />
          <ActionIcon variant="default" aria-label={t('scheme')} onClick={toggleColorScheme}>{colorScheme === 'dark' ? '☀' : '☾'}</ActionIcon>
          {session.user && <Button size="xs" variant="default" onClick={leave}>{t('signout')}</Button>}
        </Group>
      </Group>
      <main style={{ padding: 'var(--mantine-spacing-md)' }}>
        <Suspense fallback={t('loading')}>{children}</Suspense>
      </main>
    </>
  )
}

// CallState is the way back to a call, or to one that comes in, from other pages.
function CallState() {
  const { t } = useTranslation()
  const { talk } = usePhone()
  if (!talk) return null
  return <Button component={Link} href="/desk" size="xs" color={talk.state === 'incoming' ? 'red' : 'blue'}>{t('talk.' + talk.state)}</Button>
}

// LinkState says how fresh what is shown is.
function LinkState() {
  const { t } = useTranslation()
  const { link, staleSince } = useLink()
  return (
    <Badge role="status" color={link === 'live' ? 'green' : 'orange'} variant="filled">
      {link === 'live' ? t('link.live') : t('link.' + link) + (staleSince ? ' ' + span(Date.now() - staleSince) : '')}
    </Badge>
  )
}
