// What the end-to-end scripts share: browsers with a tone of their own in the
// microphone, what a page hears, axe.
import { chromium } from 'playwright-core'
import { mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export const [base, shots] = process.argv.slice(2)
if (!base) throw new Error('usage: SCRIPT.mjs URL [folder]')
if (shots) mkdirSync(shots, { recursive: true })
const work = mkdtempSync(join(tmpdir(), 'centrala-ui-'))
const axe = readFileSync(new URL('../node_modules/axe-core/axe.min.js', import.meta.url), 'utf8')
let faults = 0
export const check = (ok, what) => {
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

export const browsers = []
// open starts a browser of its own: one microphone file each.
export async function open(hz) {
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

export async function look(page, name) {
  if (shots) await page.screenshot({ path: join(shots, name + '.png') })
  // The page's policy lets no foreign script in; the debugger's evaluation may.
  await page.evaluate(axe)
  const found = await page.evaluate(() => window.axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'] }))
  check(found.violations.length === 0, `${name}: axe has nothing against it` + found.violations.map((v) => `\n      ${v.id}: ${v.nodes.map((n) => n.target.join(' ') + ' ' + (n.any[0]?.message ?? '')).slice(0, 3).join('; ')}`).join(''))
}

// spectrum is the most that the page hears in a second, dB, by bins of so many Hz.
const spectrum = (page) =>
  page.evaluate(async () => {
    const context = new AudioContext()
    const analyser = context.createAnalyser()
    analyser.fftSize = 8192
    context.createMediaStreamSource(window.__centralaHeard).connect(analyser)
    await context.resume()
    const bins = new Float32Array(analyser.frequencyBinCount)
    const most = Array(bins.length).fill(-200)
    await new Promise((r) => setTimeout(r, 500)) // what is still in the buffers
    for (let i = 0; i < 10; i++) {
      await new Promise((r) => setTimeout(r, 100))
      analyser.getFloatFrequencyData(bins)
      bins.forEach((db, k) => (most[k] = Math.max(most[k], db)))
    }
    await context.close()
    return { most, width: context.sampleRate / analyser.fftSize }
  })

// heard is the strongest frequency of what the page hears, Hz.
export const heard = async (page) => {
  const { most, width } = await spectrum(page)
  const k = most.indexOf(Math.max(...most))
  return { hz: most[k] > -200 ? k * width : 0, db: most[k] }
}

// strong is how loud the page hears each of these frequencies, dB.
export const strong = async (page, hz) => {
  const { most, width } = await spectrum(page)
  return hz.map((f) => Math.max(...most.slice(Math.round(f / width) - 2, Math.round(f / width) + 3)))
}
export const near = (got, hz) => Math.abs(got.hz - hz) < 15 && got.db > -50

// run plays a script, closes the browsers and ends with 1 when something was wrong.
export async function run(script) {
  try {
    await script()
  } catch (e) {
    check(false, e.message)
    for (const [i, b] of browsers.entries()) for (const p of b.contexts().flatMap((c) => c.pages())) await p.screenshot({ path: join(shots ?? work, `fault-${i}.png`) }).catch(() => {})
    console.log('pictures in ' + (shots ?? work))
  }
  for (const b of browsers) await b.close().catch(() => {})
  process.exit(faults ? 1 : 0)
}
