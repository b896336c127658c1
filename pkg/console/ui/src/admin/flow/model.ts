// A flow as text that is edited by hand and by forms: every change is made in the YAML
// document itself, so that comments and the order of steps stay.
import { Document, isMap, isScalar, isSeq, parseDocument } from 'yaml'

export interface Way {
  path: string
  to?: string
  open?: boolean
}
export interface Step {
  name: string
  kind?: string
  note?: string
  ways: Way[]
}
export interface Outline {
  start?: string
  steps: Step[]
}

type Key = string | number

const print = (doc: Document) => doc.toString({ lineWidth: 0, flowCollectionPadding: false })

// real turns names into the keys that stand in the document: 1 and "1" are two in YAML.
function real(doc: Document, path: Key[]): unknown[] {
  const out: unknown[] = []
  let at: any = doc.contents
  for (const k of path) {
    if (isMap(at)) {
      const pair = at.items.find((p) => String(isScalar(p.key) ? p.key.value : p.key) === String(k))
      const key = pair && isScalar(pair.key) ? pair.key.value : k
      out.push(key)
      at = pair?.value
    } else {
      out.push(k)
      at = isSeq(at) ? at.items[Number(k)] : undefined
    }
  }
  return out
}

// keys of a path as the server writes it: menu.keys.1, branch[0].next.
export const keys = (path: string): Key[] => path.split('.').flatMap((p) => {
  const m = /^([^[]*)((?:\[\d+\])*)$/.exec(p)!
  return [m[1]!, ...[...m[2]!.matchAll(/\[(\d+)\]/g)].map((x) => Number(x[1]))]
})

function put(doc: Document, path: Key[], value: unknown) {
  for (let i = 1; i < path.length; i++) {
    const above = real(doc, path.slice(0, i))
    const node: any = doc.getIn(above)
    if (node === undefined || node === null || (typeof node !== 'object' && typeof path[i] === 'string')) doc.setIn(above, doc.createNode({}))
  }
  doc.setIn(real(doc, path), typeof value === 'object' ? doc.createNode(value) : value)
}

// assign makes what stands at a path into is, leaf by leaf where both are maps.
function assign(doc: Document, path: Key[], was: any, is: any) {
  if (JSON.stringify(was) === JSON.stringify(is)) return
  const plain = (v: any) => v !== null && typeof v === 'object' && !Array.isArray(v)
  if (is === undefined) {
    doc.deleteIn(real(doc, path))
    return
  }
  if (plain(was) && plain(is)) {
    for (const k of new Set([...Object.keys(was), ...Object.keys(is)])) assign(doc, [...path, k], was[k], is[k])
    return
  }
  put(doc, path, is)
}

export function change(text: string, f: (doc: Document) => void): string {
  const doc = parseDocument(text)
  if (doc.errors.length > 0) return text
  if (!isMap(doc.contents)) doc.contents = doc.createNode({}) as any
  f(doc)
  return print(doc)
}

export const parse = (text: string): any => {
  const doc = parseDocument(text)
  return doc.errors.length ? undefined : (doc.toJS() ?? {})
}

export const setStep = (text: string, name: string, was: any, is: any) => change(text, (doc) => assign(doc, ['steps', name], was, is))

// lead leads a way out of a step to another, or with "" nowhere.
export const lead = (text: string, step: string, path: string, to: string) =>
  change(text, (doc) => {
    const at: Key[] = ['steps', step, ...keys(path)]
    if (to) return put(doc, at, to)
    doc.deleteIn(real(doc, at))
    const on: any = doc.getIn(real(doc, at.slice(0, -1)))
    if (at.at(-2) === 'on' && isMap(on) && on.items.length === 0) doc.deleteIn(real(doc, at.slice(0, -1)))
  })

export const addStep = (text: string, name: string, body: any) =>
  change(text, (doc) => {
    put(doc, ['steps', name], body)
    const node: any = doc.getIn(real(doc, ['steps', name]))
    if (isMap(node)) node.flow = false
    if (!doc.get('start')) doc.set('start', name)
  })

// dropStep takes a step out with every way that led to it.
export const dropStep = (text: string, graph: Outline, name: string) =>
  change(text, (doc) => {
    for (const s of graph.steps) for (const w of s.ways) if (w.to === name && s.name !== name) doc.deleteIn(real(doc, ['steps', s.name, ...keys(w.path)]))
    doc.deleteIn(real(doc, ['steps', name]))
    if (doc.get('start') === name) doc.delete('start')
  })

// rename gives a step another name and leads every way there.
export const rename = (text: string, graph: Outline, from: string, to: string) =>
  change(text, (doc) => {
    for (const s of graph.steps) for (const w of s.ways) if (w.to === from) put(doc, ['steps', s.name, ...keys(w.path)], to)
    if (doc.get('start') === from) doc.set('start', to)
    const steps: any = doc.get('steps')
    const pair = isMap(steps) ? steps.items.find((p) => String(isScalar(p.key) ? p.key.value : p.key) === from) : undefined
    if (pair) {
      if (isScalar(pair.key)) pair.key.value = to
      else pair.key = to as any
    }
  })

export const setTop = (text: string, key: string, value: unknown) => change(text, (doc) => (value === undefined || value === '' ? doc.delete(key) : doc.set(key, value)))

// bare is what a new step of a kind begins with: the shortest that makes sense to fill in.
export const bare: Record<string, any> = {
  answer: {}, ring: { for: '3s' }, play: { prompts: [] }, say: { pieces: [] }, menu: { prompts: [], keys: {} }, collect: { prompts: [] }, schedule: { name: '' }, branch: [{ if: '' }], set: {}, language: 'en', queue: { name: '' },
  dial: { targets: [] }, tone: { kind: 'beep' }, pause: '1s', echo: { for: '1m' }, hangup: 'normal', goto: '', call: { flow: '' }, return: '',
}

// lines is the difference of two texts: what went (-), came (+) and stayed.
export function lines(was: string, is: string): { mark: ' ' | '-' | '+'; text: string }[] {
  const [a, b] = [was.split('\n'), is.split('\n')]
  let head = 0
  while (head < a.length && head < b.length && a[head] === b[head]) head++
  let tail = 0
  while (tail < a.length - head && tail < b.length - head && a[a.length - 1 - tail] === b[b.length - 1 - tail]) tail++
  const [x, y] = [a.slice(head, a.length - tail), b.slice(head, b.length - tail)]
  const out: { mark: ' ' | '-' | '+'; text: string }[] = a.slice(0, head).map((text) => ({ mark: ' ', text }))
  if (x.length * y.length > 4e6) out.push(...x.map((text) => ({ mark: '-' as const, text })), ...y.map((text) => ({ mark: '+' as const, text })))
  else {
    // The longest common part, from the end (Hunt and McIlroy's matrix).
    const n = Array.from({ length: x.length + 1 }, () => new Uint32Array(y.length + 1))
    for (let i = x.length - 1; i >= 0; i--) for (let j = y.length - 1; j >= 0; j--) n[i]![j] = x[i] === y[j] ? n[i + 1]![j + 1]! + 1 : Math.max(n[i + 1]![j]!, n[i]![j + 1]!)
    for (let i = 0, j = 0; i < x.length || j < y.length; ) {
      if (i < x.length && j < y.length && x[i] === y[j]) out.push({ mark: ' ', text: x[i++]! }), j++
      else if (i < x.length && (j >= y.length || n[i + 1]![j]! >= n[i]![j + 1]!)) out.push({ mark: '-', text: x[i++]! })
      else out.push({ mark: '+', text: y[j++]! })
    }
  }
  return [...out, ...a.slice(a.length - tail).map((text) => ({ mark: ' ' as const, text }))]
}
