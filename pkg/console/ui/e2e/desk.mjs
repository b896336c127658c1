// An operator's work with a call, with real browsers: answered by a headset's button, the
// queue's script, a colleague asked first, all three together, the call handed over, the
// disposition without which the wrap-up does not end, and a promise to call back. Each
// has a tone of its own in the microphone. The queue sales requires a disposition.
//   node e2e/desk.mjs http://127.0.0.1:8080 [folder for pictures]
import { base, check, heard, look, near, open, run } from './kit.mjs'

// A headset as WebHID shows it: hook switch and mute of the Telephony page in report 1,
// three lights in report 2.
const headset = () => {
  const set = new EventTarget()
  const input = [{ reportId: 1, items: [{ usages: [0x0b0020], reportSize: 1, reportCount: 1, isAbsolute: true }, { usages: [0x0b002f], reportSize: 1, reportCount: 1, isAbsolute: false }, { usages: [], isConstant: true, reportSize: 6, reportCount: 1 }] }]
  const output = [{ reportId: 2, items: [{ usages: [0x080017, 0x080009, 0x080018], reportSize: 1, reportCount: 3 }, { usages: [], isConstant: true, reportSize: 5, reportCount: 1 }] }]
  Object.assign(set, { opened: false, productName: 'Test headset', lights: 0, collections: [{ usagePage: 0x0b, usage: 5, inputReports: input, outputReports: output, children: [] }],
    open: async () => void (set.opened = true), close: async () => void (set.opened = false), sendReport: async (id, data) => void (id === 2 && (set.lights = data[0])) })
  set.press = (bits) => set.dispatchEvent(Object.assign(new Event('inputreport'), { reportId: 1, data: new DataView(new Uint8Array([bits]).buffer) }))
  const hid = Object.assign(new EventTarget(), { getDevices: async () => [set], requestDevice: async () => [set] })
  Object.defineProperty(navigator, 'hid', { value: hid })
  window.headset = set
}
const lights = (page, want) => page.waitForFunction((want) => window.headset.lights === want, want)
const OFF_HOOK = 1, MUTED = 2, RINGS = 4

async function operator(hz, name, before) {
  const page = await open(hz)
  if (before) await page.addInitScript(before)
  await page.goto(base + '/')
  await page.getByRole('button', { name: 'Open the desk' }).waitFor()
  await page.evaluate((name) => fetch('/api/v1/session/demo', { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify({ name }) }), name)
  await page.goto(base + '/desk')
  await page.getByText('phone ready').waitFor()
  return page
}

// until waits for a tone that somebody hears, however busy the machine is.
async function until(page, hz, what) {
  let got
  for (let i = 0; i < 8; i++) if (near((got = await heard(page)), hz)) break
  check(near(got, hz), `${what}: ${got.hz.toFixed(0)} Hz at ${got.db.toFixed(0)} dB`)
}

await run(async () => {
  const anna = await operator(1530, 'anna', headset)
  const sofia = await operator(1000, 'sofia')
  await anna.locator('[data-headset="Test headset"]').waitFor({ state: 'attached' })
  await anna.getByRole('button', { name: 'Ready', exact: true }).click()
  await anna.locator('[data-state=ready]').waitFor()

  const caller = await open(440)
  await caller.goto(base + '/')
  await caller.getByRole('button', { name: 'Open the phone' }).click()
  await caller.getByText('phone ready').waitFor()
  await caller.getByLabel('Number').fill('1001')
  await caller.getByRole('button', { name: 'Call', exact: true }).click()
  await anna.getByRole('button', { name: 'Answer' }).waitFor({ timeout: 30000 })
  await lights(anna, RINGS)
  await anna.evaluate(() => window.headset.press(1))
  await anna.getByRole('status').filter({ hasText: 'talking' }).waitFor()
  await lights(anna, OFF_HOOK)
  check(true, "answered by the headset's hook switch, whose lights follow")
  await until(anna, 440, 'the operator hears the caller')
  await anna.evaluate(() => { window.headset.press(3); window.headset.press(1) })
  await anna.getByText('muted', { exact: true }).waitFor()
  await lights(anna, OFF_HOOK | MUTED)
  await anna.keyboard.press('Alt+m')
  await lights(anna, OFF_HOOK)
  check(true, 'mute by the headset, undone by the keyboard: both know')
  await anna.getByRole('link', { name: 'Calls', exact: true }).click()
  const back = anna.getByRole('link', { name: 'talking', exact: true })
  await back.waitFor()
  await until(anna, 440, 'on another page the operator still hears the caller')
  await back.click()
  await anna.locator('[data-headset="Test headset"]').waitFor({ state: 'attached' })
  await anna.getByRole('status').filter({ hasText: 'talking' }).waitFor()

  await anna.locator('[data-script=greeting]').waitFor()
  await anna.getByText('good day, my name is Anna').waitFor()
  await anna.getByText('new order', { exact: true }).click()
  await look(anna, 'desk-script')
  await anna.getByRole('button', { name: 'Next' }).click()
  await anna.locator('[data-script=order]').waitFor()
  await anna.getByLabel('Model').fill('the blue one')
  await anna.getByLabel('Budget').fill('12.50 RON')
  await anna.getByRole('button', { name: 'Next' }).click()
  await anna.locator('[data-script=farewell]').waitFor()
  await anna.getByRole('button', { name: 'Finish' }).click()
  await anna.locator('[data-script=done]').waitFor()
  check(true, 'the script leads by the answers, and they are kept')

  const consult = async () => {
    await anna.keyboard.press('Alt+t')
    await anna.getByRole('textbox', { name: 'Whom?' }).fill('301')
    await anna.locator('[data-target=number]').getByRole('button', { name: 'Ask first' }).click()
    await sofia.getByRole('button', { name: 'Answer' }).click()
    await anna.locator('[data-consult=talking]').waitFor()
    await anna.getByText('on hold').waitFor()
  }
  await anna.keyboard.press('Alt+t')
  await anna.locator('[data-target="queue:sales"]').waitFor()
  await look(anna, 'desk-targets')
  await anna.keyboard.press('Escape')
  await anna.locator('[data-target="queue:sales"]').waitFor({ state: 'detached' })
  await consult()
  await until(anna, 1000, 'the operator hears the colleague')
  await until(sofia, 1530, 'the colleague hears the operator')
  await look(anna, 'desk-consult')
  await anna.getByRole('button', { name: 'Swap' }).click()
  await anna.getByText('waits', { exact: true }).waitFor()
  await until(anna, 440, 'after the swap the operator hears the caller')
  await anna.getByRole('button', { name: 'Swap' }).click()
  await anna.getByText('waits', { exact: true }).waitFor({ state: 'detached' })
  await until(anna, 1000, 'and after the next the colleague')
  await anna.getByRole('button', { name: 'Talk together' }).click()
  await anna.locator('[data-consult]').waitFor({ state: 'detached' })
  await anna.getByText('on hold').waitFor({ state: 'detached' })
  const three = await heard(sofia)
  check(near(three, 440) || near(three, 1530), `all three talk: the colleague hears ${three.hz.toFixed(0)} Hz`)
  await sofia.getByRole('button', { name: 'Hang up' }).click()
  await sofia.getByRole('status').filter({ hasText: 'talking' }).waitFor({ state: 'detached' })
  await until(caller, 1530, 'the colleague has left, the caller hears the operator')

  await consult()
  await anna.getByRole('button', { name: 'Hand over' }).click()
  await anna.locator('[data-state=wrap_up]').waitFor()
  await until(caller, 1000, 'handed over, the caller hears the colleague')
  await until(sofia, 440, 'and the colleague the caller')
  await lights(anna, 0)

  // The wrap-up of 5 s has passed long since; without a disposition it does not end.
  check(await anna.getByRole('button', { name: 'Done' }).isDisabled(), 'the wrap-up waits for the disposition')
  const refused = await anna.evaluate(() => fetch('/api/v1/agents/anna/state', { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: '{"state":"ready"}' }).then((r) => r.status))
  check(refused === 409, `and the server refuses ready too: ${refused}`)
  await look(anna, 'desk-wrapup')
  await anna.keyboard.press('Alt+3')
  await anna.getByLabel('When').waitFor()
  await anna.locator('[data-disposition=later]').waitFor({ state: 'attached' }).catch(() => {})
  await anna.locator('form').filter({ has: anna.getByLabel('When') }).getByLabel('Number').fill('0722123456')
  await anna.getByRole('button', { name: 'Keep', exact: true }).last().click()
  await anna.locator('[data-reminder="0722123456"]').waitFor()
  await anna.locator('[data-state=ready]').first().waitFor()
  check(true, 'the disposition by Alt and a digit ends the wrap-up; the promise to call back is kept')
  await caller.getByRole('button', { name: 'Hang up' }).click()
  const counted = await anna.evaluate(() => fetch('/api/v1/dispositions').then((r) => r.json()))
  check(counted.items.some((i) => i.disposition === 'later' && i.agent === 'anna' && i.count >= 1), 'the disposition is counted')
  await anna.keyboard.press('Alt+k')
  await anna.getByRole('dialog').waitFor()
  await look(anna, 'desk-keys')
})
