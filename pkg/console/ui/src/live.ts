// The page mirrors the server: a snapshot, and a stream of events that says when it is
// old. Nothing is computed here that the server knows.
import { useSyncExternalStore } from 'react'
import { get } from './api'

export interface Caller {
  call_id: string
  position: number
  priority: number
  joined: string
  estimate_ms?: number
  rings?: string[]
  callback?: string
  from?: string
}
// Figures are made by the formulas of the reports; absent where there is nothing to divide by.
export interface Figures {
  entered: number
  answered: number
  abandoned: number
  callbacks: number
  service_level?: number
  asa_s?: number
  longest_wait_s?: number
}
export interface Queue {
  name: string
  display_name?: string
  waiting: number
  callbacks?: number
  oldest?: string
  logged_in: number
  free: number
  states: Record<string, number>
  callers: Caller[]
  today: Figures
  recent: Figures
  limits?: { waiting?: number; longest_wait_ms?: number; service_level?: number; ready?: number }
}
export interface Alarm {
  alarm: string
  queue?: string
  call_id?: string
  value: number
  limit: number
  since: string
}
export interface Agent {
  name: string
  device?: string
  state: string
  reason?: string
  since: string
  reachable: boolean
  calls?: string[]
  queues: string[]
  deadline?: string
  taken?: number
  notices?: number
  extension?: string
  last_call?: string
  last_queue?: string
  disposition_due?: boolean
}
export interface Leg {
  leg?: number
  device?: string
  agent?: string
  trunk?: string
  number?: string
  state?: string
}
export interface Call {
  id: string
  direction: string
  from?: string
  display?: string
  to?: string
  dialled?: string
  since?: string
  started: string
  answered?: string
  ended?: string
  queue?: string
  flow?: string
  agent?: string
  state?: string
  result?: string
  reason?: string
  wait_ms?: number
  talk_ms?: number
  hold_ms?: number
  total_ms?: number
  legs?: Leg[]
  recordings?: { id: string; path: string; duration_ms: number; open: boolean }[]
  segments?: any[]
  variables?: Record<string, string>
  gathered?: Record<string, string>
  [more: string]: unknown
}
export interface Live {
  seq: number
  now: string
  tenant: string
  queues: Queue[]
  agents: Agent[]
  calls: Call[]
  alarms: Alarm[]
  recent_from: string
}
export interface Event {
  seq: number
  at: string
  call_id?: string
  kind: string
  data: any
}

export type Link = 'live' | 'reconnecting' | 'stale'

interface LinkView {
  link: Link
  staleSince?: number
}
interface View extends LinkView {
  live?: Live
}

// The server says something at least each 5 s: whoever hears nothing for so long shows
// what is old.
const SILENT_MS = 12_000

let view: View = { link: 'reconnecting' }
let linkView: LinkView = view
// How far the server's clock is ahead of the page's, ms.
let clock = 0
const watchers = new Set<() => void>()
const linkWatchers = new Set<() => void>()
const listeners = new Set<(e: Event) => void>()
let source: EventSource | undefined
let raw: EventSource | undefined
let silence: ReturnType<typeof setTimeout> | undefined

// Rows by name or id; those that have not changed stay the same objects, so that what
// shows them need not look again.
type Row = { name?: string; id?: string }
const rows: Record<string, Map<string, any>> = { queues: new Map(), agents: new Map(), calls: new Map() }
const lists: Record<string, any[]> = { queues: [], agents: [], calls: [] }

function set(change: Partial<View>) {
  view = { ...view, ...change }
  if (view.link !== linkView.link || view.staleSince !== linkView.staleSince) {
    linkView = { link: view.link, staleSince: view.staleSince }
    linkWatchers.forEach((f) => f())
  }
  watchers.forEach((f) => f())
}

const order: Record<string, (a: any, b: any) => number> = {
  queues: (a, b) => (a.name < b.name ? -1 : 1),
  agents: (a, b) => (a.name < b.name ? -1 : 1),
  calls: (a, b) => (a.started < b.started ? -1 : a.started > b.started ? 1 : a.id < b.id ? -1 : 1),
}

function take(m: MessageEvent, whole: boolean) {
  let d: any
  try {
    d = JSON.parse(m.data)
  } catch {
    return
  }
  const changed = new Set<string>()
  for (const kind of Object.keys(rows)) {
    if (whole) {
      rows[kind].clear()
      changed.add(kind)
    }
    for (const r of (d[kind] ?? []) as Row[]) {
      rows[kind].set(r.name ?? r.id!, r)
      changed.add(kind)
    }
  }
  for (const key of (d.gone ?? []) as string[]) {
    const kind = key.slice(0, key.indexOf('/'))
    if (rows[kind]?.delete(key.slice(kind.length + 1))) changed.add(kind)
  }
  for (const kind of changed) lists[kind] = [...rows[kind].values()].sort(order[kind])
  clock = Date.parse(d.now) - Date.now()
  alive()
  const same = view.live && JSON.stringify(view.live.alarms) === JSON.stringify(d.alarms)
  if (!changed.size && same && view.link === 'live') return
  set({
    link: 'live',
    staleSince: undefined,
    live: { seq: d.seq, now: d.now, tenant: '', queues: lists.queues, agents: lists.agents, calls: lists.calls, alarms: same ? view.live!.alarms : d.alarms ?? [], recent_from: d.recent_from },
  })
}

function alive() {
  clearTimeout(silence)
  silence = setTimeout(() => set({ link: 'stale', staleSince: Date.now() - SILENT_MS }), SILENT_MS)
}

function open() {
  source = new EventSource('/api/v1/live/stream')
  source.addEventListener('state', (m) => take(m, true))
  source.addEventListener('patch', (m) => take(m, false))
  source.onerror = () => {
    clearTimeout(silence)
    set({ link: 'reconnecting', staleSince: view.staleSince ?? Date.now() })
    if (source?.readyState !== EventSource.CLOSED) return
    source = undefined // refused: the session may be over, which asking tells
    get('/session').catch(() => {})
    setTimeout(() => !source && watchers.size + linkWatchers.size > 0 && open(), 2000)
  }
}

function subscribe(f: () => void) {
  watchers.add(f)
  if (!source) open()
  return () => void watchers.delete(f)
}

// useLive is what the server showed last, and how old that is.
export const useLive = () => useSyncExternalStore(subscribe, () => view)

// liveNow is the same for who asks once.
export const liveNow = () => view.live!

function subscribeLink(f: () => void) {
  linkWatchers.add(f)
  if (!source) open()
  return () => void linkWatchers.delete(f)
}

// useLink is how fresh what is shown is.
export const useLink = () => useSyncExternalStore(subscribeLink, () => linkView)

// serverNow is the server's time, ms since 1970.
export const serverNow = () => Date.now() + clock

// onEvent calls f for each event of the journal, while anybody wants them; it returns
// how to stop.
export function onEvent(f: (e: Event) => void) {
  listeners.add(f)
  if (!raw) {
    raw = new EventSource('/api/v1/events?kind=' + kinds.join(','))
    for (const kind of kinds) raw.addEventListener(kind, told)
  }
  return () => {
    listeners.delete(f)
    if (listeners.size > 0) return
    raw?.close()
    raw = undefined
  }
}

function told(m: MessageEvent) {
  let e: Event
  try {
    e = JSON.parse(m.data)
  } catch {
    return
  }
  listeners.forEach((f) => f(e))
}

// kinds of which onEvent tells.
const kinds = ['call.started', 'call.answered', 'call.ended', 'agent.state', 'notice.sent', 'notice.read', 'alarm.raised', 'alarm.cleared']

// refreshNow is for who has just asked for something: the stream brings it by itself.
export const refreshNow = () => {}

// stop ends the stream, at sign-out.
export function stop() {
  source?.close()
  raw?.close()
  source = raw = undefined
  clearTimeout(silence)
  for (const kind of Object.keys(rows)) {
    rows[kind].clear()
    lists[kind] = []
  }
  view = linkView = { link: 'reconnecting' }
}
