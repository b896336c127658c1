// Passkeys (WebAuthn): the server's options as the browser wants them, the browser's
// answer as the server reads it.
import { post, type Session } from '../api'

const bytes = (s: string) => Uint8Array.from(atob(s.replace(/-/g, '+').replace(/_/g, '/')), (c) => c.charCodeAt(0))
const text = (b: ArrayBuffer | null) => (b ? btoa(String.fromCharCode(...new Uint8Array(b))).replace(/\+/g, '-').replace(/\//g, '_').replace(/=+$/, '') : undefined)
const ids = (list?: any[]) => list?.map((c) => ({ ...c, id: bytes(c.id) }))

interface Begun {
  id: string
  options: any
}

const answer = (c: PublicKeyCredential, response: object) => ({ id: c.id, rawId: text(c.rawId), type: c.type, clientExtensionResults: c.getClientExtensionResults(), response: { clientDataJSON: text(c.response.clientDataJSON), ...response } })

// makePasskey makes one for who is signed in.
export async function makePasskey(password: string, label: string) {
  const { id, options } = await post<Begun>('/me/passkeys/begin', { password })
  const o = options.publicKey ?? options
  const c = (await navigator.credentials.create({ publicKey: { ...o, challenge: bytes(o.challenge), user: { ...o.user, id: bytes(o.user.id) }, excludeCredentials: ids(o.excludeCredentials) } })) as PublicKeyCredential
  const r = c.response as AuthenticatorAttestationResponse
  await post('/me/passkeys', { id, label, answer: answer(c, { attestationObject: text(r.attestationObject), transports: r.getTransports?.() ?? [] }) })
}

// signInByPasskey asks the browser which of its passkeys it is.
export async function signInByPasskey() {
  const { id, options } = await post<Begun>('/session/passkey/begin')
  const o = options.publicKey ?? options
  const c = (await navigator.credentials.get({ publicKey: { ...o, challenge: bytes(o.challenge), allowCredentials: ids(o.allowCredentials) } })) as PublicKeyCredential
  const r = c.response as AuthenticatorAssertionResponse
  return post<Session>('/session/passkey', { id, answer: answer(c, { authenticatorData: text(r.authenticatorData), signature: text(r.signature), userHandle: text(r.userHandle) }) })
}
