// The demonstration as a person does it, with real browsers: a caller and an operator
// with tones of their own in the microphone, each must hear the other's; afterwards the
// recording is played. Every page is looked at by axe.
//   node e2e/run.mjs http://127.0.0.1:8080 [folder for screenshots]
import { base, check, heard, look, near, open, run } from './kit.mjs'

await run(async () => {
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
  await watch.locator('audio').waitFor({ state: 'attached' }) // the player draws its own controls
  await look(watch, 'call')
  const length = await watch.evaluate(async () => {
    const audio = document.querySelector('audio')
    audio.muted = true
    await audio.play()
    await new Promise((r) => setTimeout(r, 500))
    return { length: audio.duration, at: audio.currentTime }
  })
  check(length.length > 3 && length.at > 0.2, `the recording plays: ${length.length.toFixed(1)} s`)
})
