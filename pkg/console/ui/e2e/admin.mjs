// Administration as a person does it: a user with a one-time link, a queue with a fault
// on the way, a change that somebody else was faster with, undo, import, and a flow
// that is drawn, mended, rehearsed and published. Every page is looked at by axe.
//   node e2e/admin.mjs http://127.0.0.1:8080 [folder for screenshots]
import { chromium } from 'playwright-core'
import { createHmac } from 'node:crypto'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { check, faults, look as lookAt } from './look.mjs'

const [base, shots] = process.argv.slice(2)
if (!base) throw new Error('usage: admin.mjs URL [folder]')
if (shots) mkdirSync(shots, { recursive: true })
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: ['--no-sandbox', '--disable-gpu', '--disable-background-networking', '--disable-component-update', '--disable-sync', '--no-first-run'] })

async function open(scheme = 'light') {
  const context = await browser.newContext({ locale: 'en-GB', colorScheme: scheme, viewport: { width: 1280, height: 900 } })
  const page = await context.newPage()
  page.on('pageerror', (e) => check(false, 'no error in the page: ' + e.message))
  page.on('console', (m) => /Content Security Policy/.test(m.text()) && check(false, m.text()))
  page.on('dialog', (d) => d.accept())
  page.setDefaultTimeout(40000)
  return page
}
const look = (page, name) => lookAt(page, name, shots)

// code is the six digits of a second factor (RFC 6238) for a secret in base32.
function code(secret) {
  const bits = [...secret.replace(/=+$/, '')].map((c) => 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'.indexOf(c).toString(2).padStart(5, '0')).join('')
  const key = Buffer.from(bits.match(/.{8}/g).map((b) => parseInt(b, 2)))
  const counter = Buffer.alloc(8)
  counter.writeBigUInt64BE(BigInt(Math.floor(Date.now() / 30000)))
  const mac = createHmac('sha1', key).update(counter).digest()
  return String((mac.readUInt32BE(mac[19] & 15) & 0x7fffffff) % 1e6).padStart(6, '0')
}

let admin
try {
  admin = await open()
  await admin.goto(base + '/')
  await admin.evaluate(() => fetch('/api/v1/session/demo', { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: '{"name":"admin"}' }))
  const api = (method, path, body) => admin.evaluate(async ([method, path, body]) => {
    const r = await fetch('/api/v1' + path, { method, headers: body ? { 'Content-Type': 'application/json' } : {}, body: body && JSON.stringify(body) })
    return r.headers.get('Content-Type')?.includes('json') ? r.json() : r.text()
  }, [method, path, body])

  // A user, and the link by which the user comes in.
  await admin.goto(base + '/admin/user/+')
  await admin.getByRole('textbox', { name: 'Name', exact: true }).fill('ion')
  await admin.getByLabel('Display name').fill('Ion Rusu')
  await admin.getByLabel('agent', { exact: true }).check()
  await admin.getByRole('button', { name: 'Save' }).click()
  await admin.waitForURL('**/admin/user/ion')
  await look(admin, 'admin-user')
  await admin.getByRole('link', { name: 'People' }).click()
  await admin.locator('[data-person=ion]').getByRole('button', { name: 'Make an account' }).click()
  const link = await admin.locator('[data-link]').innerText()
  check(/\/#\/link\//.test(link), 'a one-time link is shown')
  await look(admin, 'admin-people')
  const ion = await open('dark')
  await ion.goto(base + '/#/link/' + link.split('/#/link/')[1])
  await ion.getByLabel('New password').fill('correct horse battery')
  await ion.getByRole('button', { name: /Keep it/ }).click()
  await ion.getByRole('button', { name: 'Sign out' }).waitFor()
  check(true, 'the link sets the password and signs in')
  await ion.goto(base + '/me')
  await ion.getByLabel('Your password').first().fill('correct horse battery')
  await ion.getByRole('button', { name: 'Turn on' }).click()
  await ion.getByRole('img', { name: /QR/ }).waitFor()
  await look(ion, 'admin-me')
  await ion.getByRole('textbox', { name: 'Code', exact: true }).fill(code(await ion.locator('code').first().innerText()))
  await ion.getByRole('button', { name: 'Confirm' }).click()
  await ion.getByText('Recovery codes', { exact: true }).waitFor()
  check(true, 'a second factor is on, with recovery codes')
  await admin.getByRole('link', { name: 'People' }).click()
  await admin.reload()
  await admin.locator('[data-person=ion]').getByRole('button', { name: /Sessions of ion/ }).click()
  await admin.getByRole('button', { name: 'End', exact: true }).first().click()
  await ion.reload()
  await ion.getByRole('button', { name: 'Sign out' }).waitFor({ state: 'detached' })
  check(true, 'a session that was ended is over')

  // A queue, with a fault on the way.
  await admin.goto(base + '/admin/queue/+')
  await admin.getByRole('textbox', { name: 'Name', exact: true }).fill('care')
  await admin.getByLabel('Display name').fill('Customer care')
  await admin.getByRole('button', { name: 'Add to Members' }).click()
  await admin.getByLabel('Agent 1').selectOption('ion')
  await admin.getByLabel('Rings for', { exact: true }).first().fill('soon')
  await admin.getByText('soon').first().waitFor()
  await admin.waitForFunction(() => document.querySelector('[aria-invalid=true]')?.value === 'soon')
  check(await admin.getByRole('button', { name: 'Save' }).isDisabled(), 'what has a fault cannot be saved, and the field says so')
  await look(admin, 'admin-queue-fault')
  await admin.getByLabel('Rings for', { exact: true }).first().fill('25s')
  await admin.getByText('+ queue "care"').waitFor()
  await admin.getByRole('button', { name: 'Save' }).click()
  await admin.waitForURL('**/admin/queue/care')
  check((await api('GET', '/resources/queue/care')).spec.ring_timeout === '25s', 'the queue is live')

  // Somebody else is faster: both changes stay.
  await admin.getByLabel('Display name').fill('Care')
  const q = await api('GET', '/resources/queue/care')
  await api('PUT', '/resources/queue/care', { spec: { ...q.spec, max_length: 7 } })
  await admin.getByRole('button', { name: 'Save' }).click()
  await admin.getByText('Somebody was faster').waitFor()
  await look(admin, 'admin-conflict')
  await admin.getByRole('button', { name: /Both/ }).click()
  await admin.getByRole('button', { name: 'Save' }).click()
  await admin.getByText(/saved: revision/).waitFor()
  const both = (await api('GET', '/resources/queue/care')).spec
  check(both.display_name === 'Care' && both.max_length === 7, 'nothing of either change is lost')

  // What the last change was, and back.
  await admin.getByRole('link', { name: 'History', exact: true }).first().click()
  const last = admin.locator('[data-revision]').first()
  await last.getByRole('button', { name: 'What changed' }).click()
  await last.getByText('Customer care').waitFor()
  await last.getByRole('button', { name: 'Undo' }).click()
  await last.getByRole('button', { name: 'Undo it' }).waitFor()
  await look(admin, 'admin-history')
  await last.getByRole('button', { name: 'Undo it' }).click()
  await admin.waitForFunction((n) => document.querySelector('[data-revision]')?.dataset.revision !== n, await last.getAttribute('data-revision'))
  check((await api('GET', '/resources/queue/care')).spec.display_name === 'Customer care', 'one revision is undone')

  // In and out as YAML.
  await admin.goto(base + '/admin/exchange')
  await admin.getByLabel('Documents (YAML)').fill('kind: skill\nname: greek\nspec: {display_nam: Greek}\n')
  await admin.getByRole('button', { name: 'Check' }).click()
  await admin.getByText(/display_nam/).nth(1).waitFor()
  await admin.getByLabel('Documents (YAML)').fill('kind: skill\nname: greek\nspec: {display_name: Greek}\n')
  await admin.getByRole('button', { name: 'Check' }).click()
  await admin.getByText('+ skill "greek"').waitFor()
  await admin.getByRole('button', { name: 'Apply' }).click()
  await admin.getByText(/saved: revision/).waitFor()
  const [file] = await Promise.all([admin.waitForEvent('download'), admin.getByRole('button', { name: 'Download' }).click()])
  check(file.suggestedFilename() === 'centrala.yaml', 'documents come in after a look at what they change, and go out')
  await look(admin, 'admin-exchange')

  // A flow: drawn, with a fault, mended in the form, rehearsed, published, rolled back.
  await admin.goto(base + '/admin/flows')
  await look(admin, 'admin-flows')
  await admin.getByLabel('Name of a new flow').fill('lunch')
  await admin.getByRole('button', { name: 'New flow' }).click()
  await admin.locator('[data-step=greeting]').waitFor()
  await admin.getByLabel('New step').fill('choice')
  await admin.getByLabel('What it does').selectOption('menu')
  await admin.getByRole('button', { name: 'Add', exact: true }).first().click()
  await admin.locator('[data-step=choice][data-fault]').waitFor()
  check(true, 'the fault stands at its step')
  await admin.getByRole('button', { name: 'YAML' }).click()
  const yaml = admin.getByRole('textbox', { name: 'YAML' })
  await yaml.fill('# for the lunch break\n' + (await yaml.inputValue()).replace('menu:\n', 'menu: # one choice\n').replace(/choice:[\s\S]*$/, 'choice: # what would you like\n    menu: {prompts: [main_menu], keys: {"1": care}}\n'))
  await admin.getByRole('button', { name: 'Step', exact: true }).click()
  await admin.getByLabel('New step').fill('care')
  await admin.getByLabel('What it does').first().selectOption('queue')
  await admin.getByRole('button', { name: 'Add', exact: true }).first().click()
  await admin.locator('[data-step=care]').waitFor()
  const panel = admin.getByRole('region', { name: 'Step care' })
  await panel.getByLabel('next', { exact: true }).selectOption('end')
  await panel.getByLabel('on.timeout').selectOption('end')
  await admin.getByRole('button', { name: 'YAML' }).click()
  await yaml.fill((await yaml.inputValue()).replace(/queue:\s*\n?\s*(\{ ?)?name: ""( ?\})?/, 'queue: {name: care}'))
  await admin.getByRole('button', { name: 'Step', exact: true }).click()
  await admin.locator('[data-step=choice]').click()
  const choice = admin.getByRole('region', { name: 'Step choice' })
  await choice.getByLabel('next', { exact: true }).selectOption('care')
  await admin.locator('[data-step=greeting]').click()
  await admin.getByRole('region', { name: 'Step greeting' }).getByLabel('next', { exact: true }).selectOption('choice')
  await admin.locator('[data-faults="0"]').waitFor()
  check(true, 'the flow is mended in the form')
  await admin.getByRole('region', { name: 'Step greeting' }).getByRole('textbox', { name: 'Name', exact: true }).fill('hello')
  await admin.keyboard.press('Enter')
  await admin.locator('[data-step=hello]').waitFor()
  await admin.getByRole('button', { name: 'YAML' }).click()
  const text = await yaml.inputValue()
  check(/# for the lunch break/.test(text) && /# what would you like/.test(text) && /start: hello/.test(text), 'comments stay while the picture is edited')
  await admin.getByRole('button', { name: 'Rehearse', exact: true }).click()
  await admin.getByRole('button', { name: 'Call', exact: true }).click()
  await admin.locator('[data-waits=listener]').waitFor()
  await admin.getByRole('button', { name: '1', exact: true }).click()
  await admin.getByRole('button', { name: '1', exact: true }).click()
  await admin.locator('[data-waits=agent]').waitFor()
  check(true, 'a rehearsed call comes into the queue')
  await look(admin, 'admin-flow-rehearse')
  await admin.getByRole('button', { name: 'answered', exact: true }).click()
  await admin.locator('[data-waits=over]').waitFor()
  await admin.getByRole('button', { name: 'Publish…' }).click()
  await admin.getByText('+ flow "lunch"').waitFor()
  await look(admin, 'admin-flow-publish')
  await admin.getByRole('button', { name: 'Publish', exact: true }).click()
  await admin.getByText('version 1 live').waitFor()
  check((await api('GET', '/flows/lunch')).version === 1, 'the flow is published')
  await admin.getByRole('button', { name: 'Step', exact: true }).click()
  await admin.getByRole('button', { name: 'The flow', exact: true }).click()
  await admin.getByLabel('In short').fill('For the lunch break')
  await admin.getByRole('button', { name: 'Publish…' }).click()
  await admin.getByRole('button', { name: 'Publish', exact: true }).click()
  await admin.getByText('version 2 live').waitFor()
  await admin.getByRole('button', { name: 'Versions', exact: true }).click()
  await admin.getByRole('button', { name: 'Make it live again' }).click()
  await admin.getByText('version 3 live').waitFor()
  check(!(await api('GET', '/flows/lunch')).spec.includes('For the lunch break'), 'an old version is live again')
  await admin.goto(base + '/admin/flows/main')
  await admin.locator('[data-step=menu]').waitFor()
  await admin.getByLabel('Go to step').selectOption('menu')
  await admin.getByRole('region', { name: 'Step menu' }).waitFor()
  await look(admin, 'admin-flow')

  // A key for a program.
  await admin.goto(base + '/admin/keys')
  await admin.getByRole('textbox', { name: 'Name', exact: true }).fill('shop')
  await admin.getByLabel('calls.read').check()
  await admin.getByRole('button', { name: 'Make a key' }).click()
  check(/^cen_/.test(await admin.locator('[data-secret]').innerText()), 'a key is shown once')
  await look(admin, 'admin-keys')
  await admin.goto(base + '/admin/audit')
  await admin.getByText('POST /keys').first().waitFor()
  check(true, 'the audit log has it')

  // Every page in every language, and nothing left untranslated.
  const pages = ['people', 'queue', 'queue/care', 'user/ion', 'schedule/office', 'tenant/default', 'trunk/+', 'number', 'voicemail/+', 'secret/+', 'webhook/+', 'app/+', 'prompts', 'prompts/welcome', 'flows', 'flows/main', 'history', 'exchange', 'keys', 'audit']
  for (const language of ['ro', 'ru', 'en']) {
    await admin.evaluate((l) => localStorage.setItem('centrala.language', l), language)
    let bare = ''
    for (const at of pages) {
      await admin.goto(base + '/admin/' + at)
      await admin.locator('main h1').waitFor()
      bare += (await admin.locator('main').innerText()).match(/admin\.\w+\.?\w*/g)?.join(' ') ?? ''
      if (language === 'en') await look(admin, 'admin-' + at.replace(/[/+]+/g, '-'))
    }
    check(bare === '', `every word is there in ${language} ${bare}`)
  }
} catch (e) {
  check(false, e.message)
  await admin?.screenshot({ path: join(shots ?? '.', 'fault-admin.png') }).catch(() => {})
}
await browser.close()
process.exit(faults.count ? 1 : 0)
