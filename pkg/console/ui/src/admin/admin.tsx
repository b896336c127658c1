import '@mantine/core/styles/Checkbox.css'
import '@mantine/core/styles/Fieldset.css'
import '@mantine/core/styles/List.css'
import '@mantine/core/styles/NavLink.css'
import '@mantine/core/styles/NumberInput.css'
import './admin.css'
import { NavLink, Text } from '@mantine/core'
import { Suspense, lazy } from 'react'
import { useTranslation } from 'react-i18next'
import { Link, Redirect, Route, Switch, useLocation } from 'wouter'
import type { Session } from '../api'
import { Audit } from './audit'
import { Exchange } from './exchange'
import { History } from './history'
import { Keys } from './keys'
import { kinds } from './lib'
import { Me } from './me'
import { People } from './people'
import { PromptPage, Prompts } from './prompts'
import { ResourceList, ResourcePage, useKind } from './resource'
import { ScheduleSwitch } from './switch'
import { useAdminWords } from './words'

const Flows = lazy(() => import('./flow/flows').then((m) => ({ default: m.Flows })))
const FlowEditor = lazy(() => import('./flow/editor').then((m) => ({ default: m.FlowEditor })))

// pages beside the kinds: address, and the right that opens them.
const pages = [
  ['people', 'accounts.read'],
  ['flows', 'flows.read'],
  ['prompts', 'prompts.read'],
  ['history', 'resources.read'],
  ['exchange', 'resources.read'],
  ['keys', 'keys.read'],
  ['audit', 'audit.read'],
] as const

// Admin is every page of administration; what the server refuses is not offered.
export function Admin({ session, changed }: { session: Session; changed: () => void }) {
  const { t, i18n } = useTranslation()
  const ready = useAdminWords(i18n.language)
  const label = useKind()
  const [at] = useLocation()
  if (!ready) return <Text>{t('loading')}</Text>
  if (at === '/me') return <Me session={session} changed={changed} />
  const may = (right: string) => !!session.rights?.[right]
  const change = may('resources.change')
  const entry = (path: string, text: string) => <NavLink key={path} component={Link} href={'/admin/' + path} label={text} active={at === '/admin/' + path || at.startsWith(`/admin/${path}/`)} aria-current={at === '/admin/' + path ? 'page' : undefined} py={4} variant="filled" />
  return (
    <div style={{ display: 'flex', gap: 'var(--mantine-spacing-md)', alignItems: 'flex-start', flexWrap: 'wrap' }}>
      <nav aria-label={t('page.admin')} style={{ width: 190, flexShrink: 0 }}>
        {pages.filter(([, right]) => may(right)).map(([p]) => entry(p, t('admin.page.' + p)))}
        <hr style={{ border: 0, borderTop: '1px solid var(--mantine-color-default-border)' }} />
        {kinds.filter((k) => k !== 'prompt').map((k) => entry(k, label(k)))}
      </nav>
      <div style={{ flex: 1, minWidth: 300 }}>
        <Suspense fallback={t('loading')}>
          <Switch>
            <Route path="/admin/people"><People may={may('accounts.change')} /></Route>
            <Route path="/admin/flows"><Flows may={may('flows.change')} /></Route>
            <Route path="/admin/flows/:name">{(p) => <FlowEditor key={p.name} name={decodeURIComponent(p.name!)} may={may('flows.change')} />}</Route>
            <Route path="/admin/prompts"><Prompts /></Route>
            <Route path="/admin/prompts/:name">{(p) => <PromptPage name={decodeURIComponent(p.name!)} may={may('prompts.change')} />}</Route>
            <Route path="/admin/history"><History may={change} /></Route>
            <Route path="/admin/exchange"><Exchange may={change} /></Route>
            <Route path="/admin/keys"><Keys session={session} may={may('keys.change')} /></Route>
            <Route path="/admin/audit"><Audit /></Route>
            <Route path="/admin/:kind">{(p) => <ResourceList kind={p.kind!} may={change} />}</Route>
            <Route path="/admin/:kind/:name">{(p) => (
              <>
                {p.kind === 'schedule' && p.name !== '+' && <ScheduleSwitch name={decodeURIComponent(p.name!)} may={may('schedules.change')} />}
                <ResourcePage key={p.kind + '/' + p.name} kind={p.kind!} name={decodeURIComponent(p.name!)} may={change && (p.kind !== 'tenant' || !!session.user?.node)} />
              </>
            )}</Route>
            <Route><Redirect to={may('accounts.read') ? '/admin/people' : '/admin/queue'} /></Route>
          </Switch>
        </Suspense>
      </div>
    </div>
  )
}
