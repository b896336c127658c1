// The page mirrors the server: a snapshot, and a stream of events that says when it is
// old. Nothing is computed here that the server knows.
import { useSyncExternalStore } from 'react'
import { get } from './api'

export interface Caller {
  call_id: string
  position: number
  joined: string
  from?: string
}
export interface Queue {
  name: string
  display_name?: string
  waiting: number
  oldest?: string
  logged_in: number
  free: number
  states: Record<string, number>
  callers: Caller[]
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
}
export interface Event {
  seq: number
  at: string
  call_id?: string
  kind: string
  data: any
}

export type Link = 'live' | 'reconnecting' | 'stale'

interface View {
  live?: Live
  link: Link
  staleSince?: number
  // clock is how far the server's clock is ahead of the page's, ms.
  clock: number
}

// The snapshot is fetched at most this often: 500 ms from an event to the screen.
const REFRESH_MS = 350

let view: View = { link: 'reconnecting', clock: 0 }
const watchers = new Set<() => void>()
const listeners = new Set<(e: Event) => void>()
let source: EventSource | undefined
let due: ReturnType<typeof setTimeout> | undefined
let fetching = false
let again = false

function set(change: Partial<View>) {
  view = { ...view, ...change }
  watchers.forEach((f) => f())
}

async function refresh() {
  due = undefined
  if (fetching) {
    again = true
    return
  }
  fetching = true
  try {
    const sent = performance.now()
    const live = await get<Live>('/live')
    const half = (performance.now() - sent) / 2
    set({ live, clock: Date.parse(live.now) + half - Date.now(), ...(source?.readyState === EventSource.OPEN ? { link: 'live', staleSince: undefined } : {}) })
    if (!source) open(live.seq)
  } catch {
    set({ link: 'stale', staleSince: view.staleSince ?? Date.now() })
    if (!source && watchers.size > 0) due ??= setTimeout(refresh, 2000)
  }
  fetching = false
  if (again) {
    again = false
    soon()
  }
}

function soon() {
  due ??= setTimeout(refresh, REFRESH_MS)
}

function open(after: number) {
  source = new EventSource(`/api/v1/events?after=${after}`)
  source.onopen = () => {
    set({ link: 'live', staleSince: undefined })
    soon()
  }
  source.onerror = () => {
    set({ link: 'reconnecting', staleSince: view.staleSince ?? Date.now() })
    if (source?.readyState === EventSource.CLOSED) {
      source = undefined
      soon()
    }
  }
  source.addEventListener('reset', soon)
  for (const kind of kinds) source.addEventListener(kind, told)
  source.onmessage = told
}

function told(m: MessageEvent) {
  let e: Event
  try {
    e = JSON.parse(m.data)
  } catch {
    return
  }
  soon()
  listeners.forEach((f) => f(e))
}

// kinds that change what the screens show.
const kinds = [
  'call.started', 'call.answered', 'call.ended', 'leg.started', 'leg.ringing', 'leg.answered', 'leg.ended', 'segment.started', 'hold.changed',
  'queue.entered', 'queue.left', 'queue.offered', 'queue.offer_ended', 'queue.assigned', 'queue.priority', 'agent.state', 'agent.message',
  'callback.asked', 'callback.ended', 'recording.started', 'recording.paused', 'recording.resumed', 'recording.ended', 'call.supervised',
]

function subscribe(f: () => void) {
  watchers.add(f)
  if (watchers.size === 1 && !source && !due && !fetching) void refresh()
  return () => {
    watchers.delete(f)
  }
}

// useLive is what the server showed last, and how old that is.
export const useLive = () => useSyncExternalStore(subscribe, () => view)

// onEvent calls f for each event of the stream; it returns how to stop.
export function onEvent(f: (e: Event) => void) {
  listeners.add(f)
  return () => void listeners.delete(f)
}

// refreshNow fetches the snapshot without waiting for an event.
export const refreshNow = soon

// stop ends the stream, at sign-out.
export function stop() {
  source?.close()
  source = undefined
  if (due) clearTimeout(due)
  due = undefined
  view = { link: 'reconnecting', clock: 0 }
}
