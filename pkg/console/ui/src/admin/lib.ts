// What the pages of administration share: the schemas, the names of what there is, and
// a resource's way to the server and back.
import { useEffect, useState } from 'react'
import { get, name as el, send } from '../api'

export interface Schema {
  type?: string | string[]
  enum?: string[]
  const?: unknown
  description?: string
  properties?: Record<string, Schema>
  additionalProperties?: Schema | boolean
  items?: Schema
  anyOf?: Schema[]
  oneOf?: Schema[]
  minimum?: number
  maximum?: number
  pattern?: string
  required?: string[]
}
export interface Resource {
  kind: string
  tenant: string
  name: string
  spec: Record<string, any>
  revision: number
}
export interface Fault {
  path: string
  message: string
  warning?: boolean
  file?: string
  line?: number
}
export interface ApplyResult {
  revision: number
  changes: string[]
  faults?: Fault[]
  applied: boolean
}
export interface Change {
  revision: number
  at: string
  by: string
  via?: string
  op: 'add' | 'change' | 'remove'
  kind: string
  name: string
  spec?: any
  before?: any
}

// Kinds in the order in which an administrator meets them. Flows and prompts have pages of
// their own.
export const kinds = ['user', 'queue', 'skill', 'device', 'number', 'trunk', 'schedule', 'voicemail', 'prompt', 'disposition_list', 'script', 'case_type', 'app', 'webhook', 'secret', 'tenant'] as const

let schemas: Promise<{ resource: any; flow: Schema }> | undefined

function loadSchemas() {
  schemas ??= get<{ resource: any; flow: Schema }>('/resources/schema').catch((e) => {
    schemas = undefined
    throw e
  })
  return schemas
}

// useSchema is the schema of a kind's spec.
export function useSchema(kind: string) {
  const [schema, set] = useState<Schema>()
  useEffect(() => {
    let here = true
    void loadSchemas().then((s) => {
      const rule = s.resource.allOf.find((r: any) => r.if.properties.kind.const === kind)
      if (here) set(kind === 'flow' ? s.flow : rule?.then.properties.spec)
    }, () => {})
    return () => void (here = false)
  }, [kind])
  return schema
}

export const list = (kind: string) => get<{ items: Resource[] }>('/resources/' + el(kind)).then((r) => r.items)

const known = new Map<string, Promise<string[]>>()

// forget has the next useNames ask the server again.
export const forget = (kind?: string) => (kind ? known.delete(kind) : known.clear())

// useNames are the names of what there is of a kind, to pick from.
export function useNames(kind?: string) {
  const [names, set] = useState<string[]>([])
  useEffect(() => {
    if (!kind) return
    let here = true
    let asked = known.get(kind)
    if (!asked) {
      asked = (kind === 'prompt' ? get<{ items: { name: string }[] }>('/prompts').then((r) => r.items) : list(kind)).then((l) => l.map((r) => r.name).sort())
      asked.catch(() => known.delete(kind))
      known.set(kind, asked)
    }
    asked.then((n) => here && set(n), () => {})
    return () => void (here = false)
  }, [kind])
  return names
}

const at = (kind: string, name: string) => `/resources/${el(kind)}/${el(name)}`

export const load = (kind: string, name: string) => send<Resource>('GET', at(kind, name))

// put puts a spec in, or with dry only asks what would come of it.
export async function put(kind: string, name: string, spec: unknown, o: { etag?: string; fresh?: boolean; dry?: boolean }) {
  const headers: Record<string, string> = { 'Content-Type': 'application/json' }
  if (o.fresh) headers['If-None-Match'] = '*'
  else if (o.etag) headers['If-Match'] = o.etag
  const r = await send<ApplyResult>('PUT', at(kind, name) + (o.dry ? '?dry_run=true' : ''), JSON.stringify({ spec }), headers)
  if (!o.dry) forget(kind)
  return r.data
}

export async function remove(kind: string, name: string, etag?: string, dry = false) {
  const r = await send<ApplyResult>('DELETE', at(kind, name) + (dry ? '?dry_run=true' : ''), undefined, etag ? { 'If-Match': etag } : {})
  if (!dry) forget(kind)
  return r.data
}

export const apply = (yaml: string, name: string, o: { dry: boolean; prune?: boolean }) =>
  send<ApplyResult>('POST', `/resources?${new URLSearchParams({ name, ...(o.dry ? { dry_run: 'true' } : {}), ...(o.prune ? { prune: 'true' } : {}) })}`, yaml, { 'Content-Type': 'application/yaml', ...(o.dry ? {} : { 'Idempotency-Key': crypto.randomUUID() }) }).then((r) => r.data)

// inSpec is a fault's path inside the spec of the resource, or undefined when the fault
// is another's.
export function inSpec(f: Fault, kind: string, name: string) {
  const m = /^(\w+) "((?:[^"\\]|\\.)*)"(?:: (.*))?$/.exec(f.path)
  if (!m) return f.path
  if (m[1] !== kind || (m[2] !== name && !m[2]!.endsWith('/' + name))) return undefined
  return (m[3] ?? '').replace(/^spec\.?/, '')
}

// save hands a text to the browser as a file.
export function save(text: string, file: string, type = 'application/yaml') {
  const url = URL.createObjectURL(new Blob([text], { type }))
  const a = document.createElement('a')
  a.href = url
  a.download = file
  a.click()
  setTimeout(() => URL.revokeObjectURL(url), 1000)
}

export interface Difference {
  path: string
  was?: unknown
  is?: unknown
}

// differences are the leaves in which two values differ.
export function differences(was: any, is: any, path = ''): Difference[] {
  if (JSON.stringify(was) === JSON.stringify(is)) return []
  const plain = (v: any) => v !== null && typeof v === 'object' && !Array.isArray(v)
  const lists = Array.isArray(was) && Array.isArray(is) && [...was, ...is].some((v) => typeof v === 'object')
  if (lists) return Array.from({ length: Math.max(was.length, is.length) }, (_, i) => differences(was[i], is[i], `${path}[${i}]`)).flat()
  if ((plain(was) || was === undefined) && (plain(is) || is === undefined) && (plain(was) || plain(is)))
    return [...new Set([...Object.keys(was ?? {}), ...Object.keys(is ?? {})])].flatMap((k) => differences(was?.[k], is?.[k], path ? path + '.' + k : k))
  return [{ path, was, is }]
}

// tidy leaves out what was emptied, so that the default counts again. An empty object
// stays: it says that something is wanted, with all its defaults.
export function tidy(v: any): any {
  if (Array.isArray(v)) {
    const out = v.map(tidy).filter((x) => x !== undefined)
    return out.length ? out : undefined
  }
  if (v !== null && typeof v === 'object') return Object.fromEntries(Object.entries(v).map(([k, x]) => [k, tidy(x)]).filter(([, x]) => x !== undefined))
  return v === '' || v === null ? undefined : v
}
