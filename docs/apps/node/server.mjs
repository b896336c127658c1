// A sample application that leads calls (docs/apps.md), with nothing but Node:
// callers enter an order's number, hear how it stands, and may talk to a person.
//
//   node docs/apps/node/server.mjs 8098 0123456789abcdef
import { createServer } from 'node:http'
import { createHmac, timingSafeEqual } from 'node:crypto'

const [port = '8098', secret = ''] = process.argv.slice(2)
const orders = { 1234: 'is on its way and comes tomorrow', 5678: 'waits for you in the shop' }

// X-Centrala-Signature is t=UNIX,v1=HEX: HMAC-SHA256 of "UNIX.body".
function signed(header = '', body) {
  const m = /^t=(\d+),v1=([0-9a-f]{64})$/.exec(header)
  if (!m || Math.abs(Date.now() / 1000 - Number(m[1])) > 300) return false
  const want = createHmac('sha256', secret).update(`${m[1]}.${body}`).digest()
  return timingSafeEqual(want, Buffer.from(m[2], 'hex'))
}

const ask = [
  { say: { text: 'Please enter the number of your order.', fallback: 'enter_customer_number' } },
  { collect: { prompts: ['beep'], into: 'order', min: 4, max: 4, retries: 0 } },
]

function answer({ event, results = [], variables }) {
  if (event === 'start') return ask
  if (event !== 'done') return [] // connected, ended: nothing to say
  const last = results.at(-1) ?? {}
  if (last.kind === 'queue') return [{ play: ['goodbye'] }, { hangup: 'normal' }]
  if (last.kind !== 'collect') return [] // nothing more: the flow goes on
  if (last.outcome !== 'done') return [{ queue: 'sales' }] // whoever cannot type talks to a person
  const how = orders[variables.order]
  if (!how) return [{ say: { text: 'There is no such order.', fallback: 'invalid' } }, ...ask]
  return [{ say: { text: `Your order ${how}.`, fallback: 'thank_you' } }, { hangup: 'normal' }]
}

const server = createServer((req, res) => {
  const chunks = []
  req.on('data', (c) => chunks.push(c))
  req.on('end', () => {
    const body = Buffer.concat(chunks).toString('utf8')
    if (secret && !signed(req.headers['x-centrala-signature'], body)) {
      res.writeHead(403).end()
      return
    }
    res.writeHead(200, { 'Content-Type': 'application/json' })
    res.end(JSON.stringify({ verbs: answer(JSON.parse(body)) }))
  })
})
server.listen(Number(port), '127.0.0.1', () => console.log(`http://127.0.0.1:${server.address().port}/`))
