// The one door to the server: /api/v1. Every screen uses this and nothing else.

export type Scope = 'own' | 'tenant'

export interface User {
  tenant: string
  name: string
  display_name: string
  roles: string[]
  device?: string
  node?: boolean
  method: string
  expires: string
  totp: boolean
}

export interface Session {
  user?: User
  rights?: Record<string, Scope>
  login: { password: boolean; demo?: { tenant: string; name: string; display_name: string; roles: string[] }[]; sso?: { name: string; label: string }[]; passkeys?: boolean }
  now: string
  version: string
}

export interface PhoneAccount {
  username: string
  password: string
  realm: string
  uri: string
  ws: string
  device: string
  expires: string
  ice_servers: RTCIceServer[]
  // call is the one that this device's phone has already; away: nothing comes from the
  // page that had it.
  call?: { id: string; away: boolean }
}

// Problem is an error as the server tells it (RFC 9457).
export class Problem extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    detail: string,
    // What a refused change had found: faults with their paths.
    readonly result?: { faults?: { path: string; message: string; warning?: boolean }[]; changes?: string[] },
  ) {
    super(detail)
  }
}

let onSignedOut = () => {}

// whenSignedOut sets what is done once a session is over.
export function whenSignedOut(f: () => void) {
  onSignedOut = f
}

async function ask<T>(method: string, path: string, body?: unknown): Promise<T> {
  const headers: Record<string, string> = { Accept: 'application/json' }
  if (body !== undefined) headers['Content-Type'] = 'application/json'
  if (method === 'POST') headers['Idempotency-Key'] = crypto.randomUUID()
  let res: Response
  try {
    res = await fetch('/api/v1' + path, { method, headers, credentials: 'same-origin', body: body === undefined ? undefined : JSON.stringify(body) })
  } catch {
    throw new Problem(0, 'unreachable', 'the server cannot be reached')
  }
  const text = await res.text()
  let data: any = {}
  try {
    data = text ? JSON.parse(text) : {}
  } catch {
    throw new Problem(res.status, 'malformed', 'the answer cannot be read')
  }
  if (!res.ok) {
    if (res.status === 401 && data.code === 'sign_in') onSignedOut()
    throw new Problem(res.status, data.code ?? '', data.detail ?? res.statusText)
  }
  return data as T
}

export const get = <T>(path: string) => ask<T>('GET', path)
export const post = <T = unknown>(path: string, body: unknown = {}) => ask<T>('POST', path, body)
export const patch = <T = unknown>(path: string, body: unknown) => ask<T>('PATCH', path, body)
export const del = <T = unknown>(path: string) => ask<T>('DELETE', path)

// send is for bodies that are no JSON and for conditions; it gives the ETag too.
export async function send<T>(method: string, path: string, body?: BodyInit, headers: Record<string, string> = {}): Promise<{ data: T; etag: string }> {
  let res: Response
  try {
    res = await fetch('/api/v1' + path, { method, headers: { Accept: 'application/json', ...headers }, credentials: 'same-origin', body })
  } catch {
    throw new Problem(0, 'unreachable', 'the server cannot be reached')
  }
  const text = await res.text()
  const json = /json/.test(res.headers.get('Content-Type') ?? '')
  const data = json && text ? JSON.parse(text) : text
  if (!res.ok) {
    if (res.status === 401 && data.code === 'sign_in') onSignedOut()
    throw new Problem(res.status, data.code ?? '', data.detail ?? res.statusText, data.result)
  }
  return { data: data as T, etag: res.headers.get('ETag') ?? '' }
}

// name is a path element.
export const name = (s: string) => encodeURIComponent(s)
