// The demonstration as a person does it, with real browsers: a caller and an operator
// with tones of their own in the microphone, each must hear the other's; afterwards the
// recording is played. Every page is looked at by axe.
//   node e2e/run.mjs http://127.0.0.1:8080 [folder for screenshots]
import { chromium } from 'playwright-core'
import { mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const [base, shots] = process.argv.slice(2)
if (!base) throw new Error('usage: run.mjs URL [folder]')
if (shots) mkdirSync(shots, { recursive: true })
const work = mkdtempSync(join(tmpdir(), 'centrala-ui-'))
const axe = readFileSync(new URL('../node_modules/axe-core/axe.min.js', import.meta.url), 'utf8')
let faults = 0
const check = (ok, what) => {
  console.log((ok ? 'ok    ' : 'FAULT ') + what)
  if (!ok) faults++
}

// tone is 4 s of a sine, which the browser takes for its microphone.
function tone(hz) {
  const rate = 48000
  const n = rate * 4
  const b = Buffer.alloc(44 + 2 * n)
  b.write('RIFF', 0)
  b.writeUInt32LE(36 + 2 * n, 4)
  b.write('WAVEfmt ', 8)
  b.writeUInt32LE(16, 16)
  b.writeUInt16LE(1, 20)
  b.writeUInt16LE(1, 22)
  b.writeUInt32LE(rate, 24)
  b.writeUInt32LE(2 * rate, 28)
  b.writeUInt16LE(2, 32)
  b.writeUInt16LE(16, 34)
  b.write('data', 36)
  b.writeUInt32LE(2 * n, 40)
  for (let i = 0; i < n; i++) b.writeInt16LE(Math.round(8000 * Math.sin((2 * Math.PI * hz * i) / rate)), 44 + 2 * i)
  const at = join(work, hz + '.wav')
  writeFileSync(at, b)
  return at
}

const browsers = []
// open starts a browser of its own: one microphone file each.
async function open(hz) {
  const browser = await chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args: ['--no-sandbox', '--disable-gpu', '--disable-background-networking', '--disable-component-update', '--disable-sync', '--no-first-run',
      '--use-fake-device-for-media-stream', '--use-fake-ui-for-media-stream', '--use-file-for-fake-audio-capture=' + tone(hz)],
  })
  browsers.push(browser)
  const context = await browser.newContext({ permissions: ['microphone'], locale: 'en-GB', viewport: { width: 1280, height: 900 } })
  // What is measured must not be what the browser makes of it.
  await context.addInitScript(() => localStorage.setItem('centrala.devices', JSON.stringify({ processed: false })))
  const page = await context.newPage()
  page.on('pageerror', (e) => check(false, 'no error in the page: ' + e.message))
  page.on('console', (m) => /Content Security Policy/.test(m.text()) && check(false, m.text()))
  page.setDefaultTimeout(20000)
  return page
}

async function look(page, name) {
  if (shots) await page.screenshot({ path: join(shots, name + '.png') })
  // The page's policy lets no foreign script in; the debugger's evaluation may.
  await page.evaluate(axe)
  const found = await page.evaluate(() => window.axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'] }))
  check(found.violations.length === 0, `${name}: axe has nothing against it` + found.violations.map((v) => `\n      ${v.id}: ${v.nodes.map((n) => n.target.join(' ') + ' ' + (n.any[0]?.message ?? '')).slice(0, 3).join('; ')}`).join(''))
}

// heard is the strongest frequency of what the page hears, Hz.
const heard = (page) =>
  page.evaluate(async () => {
    const context = new AudioContext()
    const analyser = context.createAnalyser()
    analyser.fftSize = 8192
    context.createMediaStreamSource(window.__centralaHeard).connect(analyser)
    await context.resume()
    const bins = new Float32Array(analyser.frequencyBinCount)
    let best = { hz: 0, db: -200 }
    await new Promise((r) => setTimeout(r, 500)) // what is still in the buffers
    for (let i = 0; i < 10; i++) {
      await new Promise((r) => setTimeout(r, 100))
      analyser.getFloatFrequencyData(bins)
      const k = bins.indexOf(Math.max(...bins))
      if (bins[k] > best.db) best = { hz: (k * context.sampleRate) / analyser.fftSize, db: bins[k] }
    }
    await context.close()
    return best
  })
const near = (got, hz) => Math.abs(got.hz - hz) < 15 && got.db > -50

try {
  const caller = await open(440)
  await caller.goto(base + '/')
  await caller.getByRole('button', { name: 'Open the phone' }).waitFor()
  await look(caller, 'start')
  await caller.getByRole('button', { name: 'Open the phone' }).click()
  await caller.getByText('phone ready').waitFor()
  check(true, 'the caller has a phone')
  await look(caller, 'caller')

  const agent = await open(1530)
  await agent.goto(base + '/')
  await agent.getByRole('button', { name: 'Open the desk' }).click()
  await agent.getByText('phone ready').waitFor()
  await agent.getByRole('button', { name: 'Ready', exact: true }).click()
  await agent.locator('[data-state=ready]').waitFor()
  check(true, 'the agent is ready by one click')
  await look(agent, 'desk-ready')

  await caller.getByRole('button', { name: 'Call', exact: true }).click()
  await caller.getByRole('status').filter({ hasText: 'talking' }).waitFor()
  await caller.waitForTimeout(1500)
  await caller.getByRole('button', { name: '1', exact: true }).click()
  await caller.waitForTimeout(1500)
  await caller.getByRole('button', { name: '1', exact: true }).click()
  await agent.getByRole('button', { name: 'Answer' }).waitFor({ timeout: 30000 })
  check(true, 'the menu is heard, keys are understood, the agent is rung')
  await look(agent, 'desk-ringing')
  await agent.keyboard.press('Alt+a')
  await agent.getByRole('status').filter({ hasText: 'talking' }).waitFor()
  check(true, 'answered by the keyboard')
  await agent.waitForTimeout(1500)
  const a = await heard(agent)
  check(near(a, 440), `the agent hears the caller's 440 Hz: ${a.hz.toFixed(0)} Hz at ${a.db.toFixed(0)} dB`)
  const c = await heard(caller)
  check(near(c, 1530), `the caller hears the agent's 1530 Hz: ${c.hz.toFixed(0)} Hz at ${c.db.toFixed(0)} dB`)
  await agent.getByLabel('Name', { exact: true }).fill('Ana Popescu')
  await agent.getByRole('button', { name: 'New customer' }).click()
  await agent.getByLabel('Note').fill('asks for the blue one')
  await agent.getByRole('button', { name: 'Add', exact: true }).click()
  await agent.getByText('asks for the blue one').waitFor()
  await agent.getByLabel('Subject').fill('one blue, by Friday')
  await agent.getByRole('button', { name: 'Open a case' }).click()
  await agent.getByRole('cell', { name: 'one blue, by Friday' }).waitFor()
  check(true, 'customer, note and case are kept during the call')
  await look(agent, 'desk-talking')

  const watch = await open(1000)
  await watch.goto(base + '/')
  await watch.getByRole('button', { name: 'Open the wall' }).click()
  await watch.locator('[data-agent=anna] [data-state=on_call]').waitFor()
  check(true, 'the wall shows the agent on a call')
  await look(watch, 'live')

  await agent.getByRole('button', { name: 'Hold' }).click()
  await agent.getByText('on hold').waitFor()
  const held = await heard(caller)
  check(!near(held, 1530), `on hold the caller no longer hears the agent: ${held.hz.toFixed(0)} Hz at ${held.db.toFixed(0)} dB`)
  await agent.getByRole('button', { name: 'Hold' }).click()
  await agent.getByText('on hold').waitFor({ state: 'detached' })

  await caller.getByRole('button', { name: 'Hang up' }).click()
  await agent.locator('[data-state=wrap_up]').first().waitFor()
  check(true, 'wrap-up after the call')
  await agent.getByRole('button', { name: 'Done' }).click()
  await agent.locator('[data-state=ready]').first().waitFor()
  check(true, 'ready again')

  await watch.goto(base + '/calls')
  await watch.getByRole('link').filter({ hasText: /\d\d:\d\d/ }).first().click()
  await watch.locator('audio').waitFor()
  await look(watch, 'call')
  const length = await watch.evaluate(async () => {
    const audio = document.querySelector('audio')
    audio.muted = true
    await audio.play()
    await new Promise((r) => setTimeout(r, 500))
    return { length: audio.duration, at: audio.currentTime }
  })
  check(length.length > 3 && length.at > 0.2, `the recording plays: ${length.length.toFixed(1)} s`)
} catch (e) {
  check(false, e.message)
  for (const [i, b] of browsers.entries()) for (const p of b.contexts().flatMap((c) => c.pages())) await p.screenshot({ path: join(shots ?? work, `fault-${i}.png`) }).catch(() => {})
  console.log('pictures in ' + (shots ?? work))
}
for (const b of browsers) await b.close()
process.exit(faults ? 1 : 0)
