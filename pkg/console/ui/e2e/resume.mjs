// A call outlives the page, with real browsers: the operator's page is loaded anew in
// mid-call, loses its network, moves to a second tab, and at last the whole browser is
// killed. The caller hears the operator again each time, comfort meanwhile, and in the
// end another operator. Each side has a tone of its own.
//   node e2e/resume.mjs http://127.0.0.1:8080 [folder for pictures]
import { base, browsers, check, heard, near, open, run } from './kit.mjs'

// operator opens the desk of a demonstration's user.
async function operator(hz, name) {
  const page = await open(hz)
  await page.goto(base + '/')
  await page.getByRole('button', { name: 'Open the desk' }).waitFor()
  await page.evaluate((name) => fetch('/api/v1/session/demo', { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify({ name }) }), name)
  await page.goto(base + '/desk')
  await page.getByText('phone ready').waitFor()
  await page.getByRole('button', { name: 'Ready', exact: true }).click()
  await page.locator('[data-state=ready]').first().waitFor()
  return page
}

// hearsAgain waits, in the page, for a tone and says when it came: milliseconds after
// the page had loaded.
const hearsAgain = (page, hz) =>
  page.evaluate(
    (hz) =>
      new Promise((done) => {
        let analyser, bins, of
        const context = new AudioContext()
        const look = () => {
          if (window.__centralaHeard && window.__centralaHeard !== of) {
            of = window.__centralaHeard
            analyser = context.createAnalyser()
            analyser.fftSize = 4096
            analyser.smoothingTimeConstant = 0
            context.createMediaStreamSource(of).connect(analyser)
            bins = new Float32Array(analyser.frequencyBinCount)
            void context.resume()
          }
          if (analyser) {
            analyser.getFloatFrequencyData(bins)
            const k = bins.indexOf(Math.max(...bins))
            if (bins[k] > -50 && Math.abs((k * context.sampleRate) / analyser.fftSize - hz) < 20) {
              void context.close()
              return done(performance.now() - performance.getEntriesByType('navigation')[0].loadEventEnd)
            }
          }
          if (performance.now() > 30000) return done(Infinity)
          setTimeout(look, 20)
        }
        look()
      }),
    hz,
  )

// hears waits until a page hears a tone, and tells whether it does.
async function hears(page, hz) {
  for (let i = 0; i < 6; i++) if (near(await heard(page), hz)) return true
  return false
}

const talks = (page) => page.getByRole('status').filter({ hasText: 'talking' }).waitFor()

await run(async () => {
  const caller = await open(440)
  await caller.goto(base + '/')
  await caller.getByRole('button', { name: 'Open the phone' }).click()
  await caller.getByText('phone ready').waitFor()
  const agent = await operator(1530, 'anna')
  await caller.getByRole('button', { name: 'Call', exact: true }).click()
  await caller.getByRole('status').filter({ hasText: 'talking' }).waitFor()
  await caller.waitForTimeout(1500)
  await caller.getByRole('button', { name: '1', exact: true }).click()
  await caller.waitForTimeout(1500)
  await caller.getByRole('button', { name: '1', exact: true }).click()
  await agent.getByRole('button', { name: 'Answer' }).click({ timeout: 30000 })
  await talks(agent)
  await agent.waitForTimeout(1000)
  check((await hears(agent, 440)) && (await hears(caller, 1530)), 'both hear each other')

  await agent.reload()
  const ms = await hearsAgain(agent, 440)
  check(ms < Infinity, `loaded anew: the operator hears the caller ${ms.toFixed(0)} ms after the page has loaded`)
  await talks(agent)
  check(await hears(caller, 1530), 'and the caller the operator')
  await agent.locator('[data-state=on_call]').first().waitFor()
  check(true, 'the operator is on the call')

  await agent.getByRole('button', { name: 'Hold' }).click()
  await agent.getByText('on hold').waitFor()
  await agent.reload()
  await talks(agent)
  await agent.waitForTimeout(1500)
  check(!near(await heard(caller), 1530), 'loaded anew on hold: the caller still does not hear the operator')
  await agent.getByText('on hold').waitFor()
  await agent.getByRole('button', { name: 'Hold' }).click()
  await agent.getByText('on hold').waitFor({ state: 'detached' })
  await agent.waitForTimeout(500)
  check(await hears(caller, 1530), 'until it is taken back')

  await agent.context().setOffline(true)
  await agent.waitForTimeout(4000)
  await agent.context().setOffline(false)
  await agent.waitForTimeout(3000)
  check((await hears(agent, 440)) && (await hears(caller, 1530)), 'without its server for four seconds the page talks on')

  const second = await agent.context().newPage()
  second.setDefaultTimeout(20000)
  await second.goto(base + '/desk')
  await second.getByRole('button', { name: 'Use it here' }).click()
  await talks(second)
  await second.waitForTimeout(1000)
  check(await hears(second, 440), 'a second tab takes the call')
  check(await hears(caller, 1530), 'and is heard')
  await agent.getByRole('button', { name: 'Use it here' }).waitFor()
  check(true, 'the first is told that the phone is elsewhere')

  const other = await operator(2450, 'carol')
  await browsers[1].close() // no word to anybody
  await caller.waitForTimeout(4000)
  const c = await heard(caller)
  check(!near(c, 1530) && c.db > -70, `the browser is killed: the caller hears comfort, ${c.hz.toFixed(0)} Hz at ${c.db.toFixed(0)} dB`)
  await other.getByRole('button', { name: 'Answer' }).click({ timeout: 60000 })
  await talks(other)
  await other.waitForTimeout(1000)
  check(await hears(other, 440), 'another operator hears the caller')
  check(await hears(caller, 2450), 'and is heard')
  await caller.getByRole('button', { name: 'Hang up' }).click()
  await other.locator('[data-state=wrap_up]').first().waitFor()
  check(true, 'and the call ends as any')
})
