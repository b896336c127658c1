// What the supervisor's page costs a browser: five hundred agents, a hundred calls a
// second. A server in this process answers as the real one does (GET /live/stream: at
// most four messages a second, whole rows that changed), so that what is measured is
// the page: CPU of its renderer process, and the time from a change to its row.
//   npm run build && node e2e/speed.mjs [page, default /live] [seconds, default 20]
import { chromium } from 'playwright-core'
import { createServer } from 'node:http'
import { existsSync, readFileSync } from 'node:fs'

const [path = '/live', seconds = '20'] = process.argv.slice(2)
const AGENTS = 500
const QUEUES = 20
const CALLS_A_SECOND = 100
const TALK_MS = 3000
const WRAP_MS = 1000
const EVERY = 250
const LIMIT_CPU = 0.1
const LIMIT_MS = 500

const iso = (ms) => new Date(ms).toISOString()
const figures = { entered: 100, answered: 90, abandoned: 5, callbacks: 0, service_level: 0.87, asa_s: 9.1, longest_wait_s: 44 }
const agents = Array.from({ length: AGENTS }, (_, i) => ({ name: `agent${String(i).padStart(3, '0')}`, device: 'd' + i, state: 'ready', since: iso(Date.now()), reachable: true, queues: ['queue' + (i % QUEUES)], taken: 0 }))
const queues = Array.from({ length: QUEUES }, (_, i) => ({ name: 'queue' + i, display_name: 'Queue ' + i, waiting: 0, logged_in: AGENTS / QUEUES, free: 10, states: { on_call: 10 }, callers: [], today: { ...figures }, recent: { ...figures }, limits: { waiting: 5, service_level: 80 } }))
let calls = new Map()
let changed = { queues: new Set(), agents: new Set(), calls: new Set(), gone: new Set() }
let seq = 0
const touch = (kind, x) => changed[kind].add(x)

// step lets one call come: it waits a moment, is rung, talks, ends, and its agent wraps up.
function step() {
  const free = agents.filter((a) => a.state === 'ready')
  const a = free[Math.floor(Math.random() * free.length)]
  const q = queues[seq % QUEUES]
  const id = 'call' + seq++
  const now = Date.now()
  const call = { id, direction: 'in', from: '+4072' + String(1000000 + seq), to: '0213000', queue: q.name, state: 'waiting', since: iso(now), started: iso(now) }
  calls.set(id, call)
  touch('calls', call)
  q.callers = [...q.callers.slice(-3), { call_id: id, position: 1, priority: 0, joined: iso(now) }]
  q.waiting = q.callers.length
  q.oldest = q.callers[0].joined
  q.today = { ...q.today, entered: q.today.entered + 1, answered: q.today.answered + 1 }
  touch('queues', q)
  if (!a) return
  const state = (s) => {
    Object.assign(a, { state: s, since: iso(Date.now()), calls: s === 'on_call' ? [id] : undefined })
    touch('agents', a)
  }
  state('ringing')
  setTimeout(() => {
    state('on_call')
    Object.assign(call, { state: 'talking', agent: a.name, since: iso(Date.now()) })
    touch('calls', call)
  }, 300)
  setTimeout(() => {
    state('wrap_up')
    calls.delete(id)
    changed.calls.delete(call)
    changed.gone.add('calls/' + id)
    q.callers = q.callers.filter((c) => c.call_id !== id)
    q.waiting = q.callers.length
    touch('queues', q)
  }, TALK_MS)
  setTimeout(() => state('ready'), TALK_MS + WRAP_MS)
}

const pages = new Set()
let bytes = 0
function send() {
  const now = Date.now()
  const m = { seq, now: iso(now), recent_from: iso(now - 900000), alarms: [{ alarm: 'service_level', queue: 'queue0', value: 71, limit: 80, since: iso(now - 60000) }], queues: [...changed.queues], agents: [...changed.agents], calls: [...changed.calls], gone: [...changed.gone] }
  changed = { queues: new Set(), agents: new Set(), calls: new Set(), gone: new Set() }
  const text = `event: patch\ndata: ${JSON.stringify(m)}\n\n`
  for (const p of pages) {
    p.write(text)
    bytes += text.length
  }
}

const dist = new URL('../dist/', import.meta.url)
const types = { html: 'text/html', js: 'text/javascript', css: 'text/css', svg: 'image/svg+xml' }
const json = { '/session': () => ({ user: { tenant: 'default', name: 'sofia', display_name: 'Sofia', roles: ['supervisor'], method: 'demo', expires: iso(Date.now() + 1e7), totp: false }, rights: { 'live.read': 'tenant', 'calls.read': 'tenant' }, login: { password: true }, now: iso(Date.now()), version: 'x' }), '/notices': () => ({ notices: [] }) }
const server = createServer((q, r) => {
  const at = new URL(q.url, 'http://x').pathname
  if (at === '/api/v1/live/stream') {
    r.writeHead(200, { 'Content-Type': 'text/event-stream' })
    r.write(`event: state\ndata: ${JSON.stringify({ seq, now: iso(Date.now()), recent_from: iso(Date.now()), alarms: [], queues, agents, calls: [...calls.values()] })}\n\n`)
    pages.add(r)
    q.on('close', () => pages.delete(r))
    return
  }
  if (at === '/api/v1/events') return void r.writeHead(200, { 'Content-Type': 'text/event-stream' }).write(': \n\n')
  if (at.startsWith('/api/v1')) return void r.writeHead(200, { 'Content-Type': 'application/json' }).end(JSON.stringify((json[at.slice(7)] ?? (() => ({})))()))
  const file = new URL('.' + (existsSync(new URL('.' + at, dist)) && at !== '/' ? at : '/index.html'), dist)
  r.writeHead(200, { 'Content-Type': types[file.pathname.split('.').pop()] ?? 'application/octet-stream' }).end(readFileSync(file))
})
await new Promise((done) => server.listen(0, '127.0.0.1', done))
const base = 'http://127.0.0.1:' + server.address().port

const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: ['--no-sandbox', '--disable-gpu', '--disable-background-networking', '--disable-component-update', '--disable-sync', '--no-first-run'] })
const page = await (await browser.newContext({ viewport: { width: 1280, height: 900 } })).newPage()
page.on('pageerror', (e) => { console.log('FAULT ' + e.message); process.exitCode = 1 })
await page.goto(base + path)
await page.locator('[data-queue]').first().waitFor()
await page.locator('[data-agent]').first().waitFor()
// The time from the change (its "since") to the row: seen by an observer in the page.
await page.evaluate(() => {
  window.late = []
  const states = new Map()
  new MutationObserver((list) => {
    for (const m of list) {
      const row = m.target.closest?.('[data-agent]')
      if (row && m.attributeName === 'data-state') states.set(row.dataset.agent, performance.timeOrigin + performance.now())
    }
  }).observe(document.body, { attributes: true, subtree: true, attributeFilter: ['data-state'] })
  window.states = states
})
const timers = [setInterval(step, 1000 / CALLS_A_SECOND), setInterval(send, EVERY)]
await page.waitForTimeout(5000) // until as many talk as will

const cdp = await browser.newBrowserCDPSession()
const tab = await page.context().newCDPSession(page)
await tab.send('Performance.enable')
const cpu = async () => {
  const { processInfo } = await cdp.send('SystemInfo.getProcessInfo')
  return Math.max(...processInfo.filter((p) => p.type === 'renderer').map((p) => p.cpuTime))
}
const tasks = async () => Object.fromEntries((await tab.send('Performance.getMetrics')).metrics.map((m) => [m.name, m.value]))
const late = []
const seen = new Map()
const watch = setInterval(async () => {
  const told = await page.evaluate(() => { const out = [...window.states]; window.states.clear(); return out }).catch(() => [])
  for (const [name, at] of told) {
    const a = agents.find((x) => x.name === name)
    const since = Date.parse(a.since)
    if (at >= since && seen.get(name) !== since) late.push(at - since)
    seen.set(name, since)
  }
}, 200)
const [cpu0, t0, began, seq0, bytes0] = [await cpu(), await tasks(), performance.now(), seq, bytes]
await page.waitForTimeout(1000 * Number(seconds))
const [cpu1, t1, took] = [await cpu(), await tasks(), (performance.now() - began) / 1000]
clearInterval(watch)
timers.forEach(clearInterval)
late.sort((a, b) => a - b)
const share = (cpu1 - cpu0) / took
const p99 = late[Math.floor(late.length * 0.99)] ?? NaN
console.log(`${path}: ${AGENTS} agents, ${((seq - seq0) / took).toFixed(0)} calls/s, ${((bytes - bytes0) / took / 1000).toFixed(0)} kB/s`)
console.log(`renderer ${(100 * share).toFixed(1)} % of a core (scripts ${(100 * (t1.ScriptDuration - t0.ScriptDuration) / took).toFixed(1)}, layout ${(100 * (t1.LayoutDuration - t0.LayoutDuration + t1.RecalcStyleDuration - t0.RecalcStyleDuration) / took).toFixed(1)}), limit ${100 * LIMIT_CPU} %`)
console.log(`change to row: ${late.length} changes, p50 ${late[Math.floor(late.length / 2)]?.toFixed(0)} ms, p99 ${p99.toFixed(0)} ms, limit ${LIMIT_MS} ms`)
if (!(share < LIMIT_CPU) || !(p99 < LIMIT_MS)) process.exitCode = 1
await browser.close()
server.closeAllConnections()
server.close()
