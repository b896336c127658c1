// The browser's phone. SIP carries register, INVITE, BYE and re-INVITE only; hold for
// the caller, transfer and recording go over the API, so that a desk phone and the
// browser behave alike. The library stays behind this file.
import JsSIP from 'jssip'
import type { RTCSession } from 'jssip/lib/RTCSession'
import type { RTCSessionEvent } from 'jssip/lib/UA'
import { useSyncExternalStore } from 'react'
import { post, type PhoneAccount } from './api'

export type PhoneState = 'off' | 'connecting' | 'ready' | 'elsewhere' | 'failed'
export type TalkState = 'dialling' | 'ringing' | 'incoming' | 'talking'

export interface Quality {
  // words: good, fair, poor, none (no sound comes)
  words: 'good' | 'fair' | 'poor' | 'none'
  rttMs: number
  jitterMs: number
  lossPercent: number
}

export interface Talk {
  id: string
  state: TalkState
  peer: string
  // callID is the server's name of the call, from its INVITE.
  callID?: string
  queue?: string
  since: number
  muted: boolean
  quality?: Quality
}

export interface PhoneView {
  state: PhoneState
  why?: string
  talk?: Talk
  // second is a consultation beside it; `active` says in which of the two one is heard.
  second?: Talk
  active: 'talk' | 'second'
  // level of the own microphone, 0..1
  level: number
  device?: string
}

interface Devices {
  mic?: string
  speaker?: string
  ringer?: string
  // processed: echo cancellation, noise suppression and gain control of the browser
  processed: boolean
}

const DEVICES = 'centrala.devices'

// TALKING marks, for the life of the tab, that its phone is in a call: a page that is
// loaded anew takes that call over.
const TALKING = 'centrala.talking'

export function devices(): Devices {
  try {
    return { processed: true, ...JSON.parse(localStorage.getItem(DEVICES) ?? '{}') }
  } catch {
    return { processed: true }
  }
}

export function setDevices(d: Devices) {
  localStorage.setItem(DEVICES, JSON.stringify(d))
}

const broken = (pc: RTCPeerConnection) => pc.iceConnectionState === 'disconnected' || pc.iceConnectionState === 'failed'

class Phone {
  private view: PhoneView = { state: 'off', level: 0, active: 'talk' }
  private watchers = new Set<() => void>()
  private ua?: JsSIP.UA
  private session?: RTCSession
  private stream?: MediaStream
  private secondSession?: RTCSession
  private streams = new WeakMap<RTCSession, MediaStream>()
  private audio = new Audio()
  private context?: AudioContext
  private ring?: { stop(): void }
  private release?: () => void
  private meter?: ReturnType<typeof setInterval>
  private stats?: ReturnType<typeof setInterval>
  private last = { packets: 0, lost: 0 }
  private account?: PhoneAccount
  private resuming?: string
  private renew?: ReturnType<typeof setTimeout>

  get snapshot() {
    return this.view
  }

  subscribe = (f: () => void) => {
    this.watchers.add(f)
    return () => void this.watchers.delete(f)
  }

  private set(change: Partial<PhoneView>) {
    this.view = { ...this.view, ...change }
    this.watchers.forEach((f) => f())
  }

  // start takes the microphone and registers. One tab has the phone: `take` moves it here.
  async start(take = false) {
    if (this.ua) return
    this.set({ state: 'connecting', why: undefined })
    if (!(await this.lock(take))) {
      this.set({ state: 'elsewhere' })
      return
    }
    try {
      const [, account] = await Promise.all([this.open(), post<PhoneAccount>('/phone/session')])
      this.account = account
    } catch (e) {
      this.release?.()
      this.set({ state: 'failed', why: e instanceof DOMException ? 'mic' : String((e as Error).message) })
      return
    }
    const a = this.account
    const call = a.call
    if (call && !call.away && !take && !sessionStorage.getItem(TALKING)) {
      // A page that lives has it, in another browser: the person says where it shall be.
      this.release?.()
      this.set({ state: 'elsewhere' })
      return
    }
    const ua = new JsSIP.UA({
      sockets: [new JsSIP.WebSocketInterface(a.ws)],
      uri: a.uri,
      authorization_user: a.username,
      password: a.password,
      realm: a.realm,
      register: true,
      register_expires: 120,
      session_timers: false,
      user_agent: 'Centrala console',
      connection_recovery_min_interval: 1,
      connection_recovery_max_interval: 8,
    })
    this.ua = ua
    const ours = (change: Partial<PhoneView>) => this.ua === ua && this.set(change)
    ua.on('registered', () => ours({ state: 'ready', device: a.device, why: undefined }))
    ua.on('unregistered', () => ours({ state: 'connecting' }))
    ua.on('disconnected', () => ours({ state: 'connecting' }))
    ua.on('registrationFailed', (e) => {
      if (this.ua !== ua) return
      this.set({ state: 'failed', why: e.cause })
      // The credentials of a session that ended: new ones, if the person is still signed in.
      if (e.response?.status_code === 401 || e.response?.status_code === 403) this.renew ??= setTimeout(() => void this.again(), 3000)
    })
    ua.on('newRTCSession', (e: RTCSessionEvent) => this.session_(e))
    let waits = call?.id
    ua.on('connected', () => {
      if (waits) this.resume(waits)
      else if (this.session) this.mend(this.session)
      waits = undefined
    })
    ua.start()
  }

  // resume takes over the leg that this device has in a call: of the page before this
  // one, of another tab, or of this very page when its way to the server is broken.
  private resume(id: string) {
    if (!this.ua || !this.account) return
    this.session = undefined // the server ends it when it has the new one
    this.resuming = id
    this.ua.call(this.uriOf('resume'), { ...this.media(), extraHeaders: ['X-Resume: ' + id] })
    this.resuming = undefined
  }

  // keep lets no broken network end the call: the server keeps it, and so do we. The
  // library would hang up.
  private keep(s: RTCSession, pc: RTCPeerConnection) {
    const end = s.terminate.bind(s)
    s.terminate = (o?: any) => {
      if (o?.cause !== JsSIP.C.causes.RTP_TIMEOUT && o?.cause !== JsSIP.C.causes.WEBRTC_ERROR) end(o)
    }
    pc.addEventListener('iceconnectionstatechange', () => {
      if (broken(pc)) setTimeout(() => this.mend(s), 1500)
    })
  }

  // mend looks for a new way for the sound of a call whose network has changed: by an
  // ICE restart, and where that does not do, by an INVITE like that of a new page.
  private mend(s: RTCSession) {
    const pc = s.connection
    if (this.session !== s || s.isEnded() || !s.isEstablished() || !pc || !broken(pc) || !this.ua?.isConnected()) return
    const id = this.view.talk?.callID
    const asked = s.renegotiate({ rtcOfferConstraints: { iceRestart: true } })
    if (!asked && id) {
      this.resume(id)
      return
    }
    setTimeout(() => {
      if (this.session === s && broken(pc) && this.ua?.isConnected() && id) this.resume(id)
    }, 2500)
  }

  // leave gives the phone to another page: the call goes there, and the server ends it here.
  private leave() {
    const ua = this.ua
    this.ua = undefined
    this.release?.()
    this.set({ state: 'elsewhere' })
    const s = this.session
    const gone = () => {
      sessionStorage.removeItem(TALKING)
      ua?.stop()
      this.set({ talk: undefined })
    }
    if (!s || s.isEnded()) return gone()
    s.on('ended', gone)
    s.on('failed', gone)
  }

  private async again() {
    this.renew = undefined
    if (this.session && !this.session.isEnded()) {
      this.renew = setTimeout(() => void this.again(), 3000) // a call needs no registration
      return
    }
    this.ua?.stop()
    this.ua = undefined
    this.release?.()
    await this.start()
  }

  // stop gives phone and microphone back.
  stop() {
    this.hangup()
    this.ua?.stop()
    this.ua = undefined
    this.stream?.getTracks().forEach((t) => t.stop())
    this.stream = undefined
    if (this.meter) clearInterval(this.meter)
    this.release?.()
    this.set({ state: 'off', talk: undefined, level: 0 })
  }

  private lock(take: boolean): Promise<boolean> {
    if (!navigator.locks) return Promise.resolve(true)
    return new Promise((granted) => {
      navigator.locks
        .request('centrala-phone-' + location.pathname.split('/')[1], take ? { steal: true } : { ifAvailable: true }, (lock) => {
          granted(lock !== null)
          if (lock === null) return
          return new Promise<void>((r) => (this.release = r))
        })
        .catch(() => {
          this.release = undefined // another tab has taken the phone over
          this.leave()
        })
    })
  }

  // open takes the microphone, once for a shift: never while a call rings.
  private async open() {
    if (this.stream?.getAudioTracks().some((t) => t.readyState === 'live')) return
    const d = devices()
    this.stream = await navigator.mediaDevices.getUserMedia({
      audio: { deviceId: d.mic ? { ideal: d.mic } : undefined, echoCancellation: d.processed, noiseSuppression: d.processed, autoGainControl: d.processed },
    })
    const track = this.stream.getAudioTracks()[0]
    track.onended = () => void this.replaceMic()
    this.context ??= new AudioContext()
    const analyser = this.context.createAnalyser()
    analyser.fftSize = 512
    this.context.createMediaStreamSource(this.stream).connect(analyser)
    const samples = new Float32Array(analyser.fftSize)
    if (this.meter) clearInterval(this.meter)
    this.meter = setInterval(() => {
      analyser.getFloatTimeDomainData(samples)
      let sum = 0
      for (const x of samples) sum += x * x
      const level = Math.min(1, Math.sqrt(sum / samples.length) * 3)
      if (Math.abs(level - this.view.level) > 0.02) this.set({ level })
    }, 150)
  }

  // replaceMic follows a change of the microphone, in a call too.
  async replaceMic() {
    const muted = this.view.talk?.muted ?? false
    const old = this.stream
    this.stream = undefined
    try {
      await this.open()
    } catch {
      this.set({ why: 'mic' })
      return
    }
    const track = this.stream!.getAudioTracks()[0]
    track.enabled = !muted
    const sender = this.session?.connection?.getSenders().find((s) => s.track?.kind === 'audio' || s.track === null)
    await sender?.replaceTrack(track)
    old?.getTracks().forEach((t) => t.stop())
  }

  private session_(e: RTCSessionEvent) {
    const s = e.session
    const incoming = e.originator === 'remote'
    if (!incoming && this.session && !this.session.isEnded()) return this.consulted(s)
    const resumed = this.resuming
    if (this.session && !this.session.isEnded()) {
      if (incoming) s.terminate({ status_code: 486 })
      return
    }
    this.session = s
    const before = resumed && this.view.talk?.callID === resumed ? this.view.talk : undefined
    const id = s.id
    const talk: Talk = {
      id,
      state: incoming ? 'incoming' : 'dialling',
      peer: resumed ? (before?.peer ?? '') : s.remote_identity?.display_name || s.remote_identity?.uri?.user || '',
      callID: resumed ?? (incoming ? e.request.getHeader('X-Centrala-Call') : undefined),
      queue: incoming ? e.request.getHeader('X-Centrala-Queue') : undefined,
      since: before?.since ?? Date.now(),
      muted: false,
    }
    if (before) talk.queue = before.queue
    this.set({ talk })
    const mine = () => this.view.talk?.id === id
    const change = (c: Partial<Talk>) => mine() && this.set({ talk: { ...this.view.talk!, ...c } })
    const wire = (pc: RTCPeerConnection) => {
      this.hear(s, pc)
      this.keep(s, pc)
    }
    s.on('peerconnection', (p) => wire(p.peerconnection))
    if (s.connection) wire(s.connection)
    let candidates = 0
    s.on('icecandidate', (c) => {
      // Without this the answer waits for candidates of interfaces that lead nowhere.
      if (++candidates === 1) setTimeout(c.ready, 40)
    })
    s.on('progress', () => change({ state: incoming ? 'incoming' : 'ringing' }))
    s.on('accepted', () => {
      this.ringOff()
      sessionStorage.setItem(TALKING, '1')
      change({ state: 'talking', since: before?.since ?? Date.now() })
      if (before?.muted) this.mute(true)
      this.watch(s)
    })
    const over = (e?: any) => {
      // Another page of this person has the call now, and with it the phone.
      if (this.session === s && /Moved to another page/.test(e?.message?.getHeader?.('Reason') ?? '')) this.leave()
      this.ringOff()
      if (this.stats) clearInterval(this.stats)
      if (this.session === s) this.session = undefined
      if (mine()) {
        sessionStorage.removeItem(TALKING)
        this.set({ talk: undefined })
      }
    }
    s.on('ended', over)
    s.on('failed', over)
    if (!incoming) return
    const auto = /answer-after=0|info=alert-autoanswer|auto-answer/i.test((e.request.getHeader('Call-Info') ?? '') + (e.request.getHeader('Alert-Info') ?? ''))
    if (auto) this.answer()
    else this.ringOn(talk)
  }

  private hear(s: RTCSession, pc: RTCPeerConnection) {
    pc.addEventListener('track', (t) => {
      this.streams.set(s, t.streams[0] ?? new MediaStream([t.track]))
      this.play()
    })
  }

  // play lets one of the two calls be heard.
  private play() {
    const s = this.view.active === 'second' ? this.secondSession : this.session
    const stream = s && this.streams.get(s)
    if (!stream) return
    if (this.audio.srcObject !== stream) this.audio.srcObject = stream
    const to = devices().speaker
    if (to && 'setSinkId' in this.audio) void (this.audio as any).setSinkId(to).catch(() => {})
    void this.audio.play().catch(() => {})
    ;(window as any).__centralaHeard = stream // the end-to-end test listens here
  }

  // consulted follows a second call, begun while the first one waits.
  private consulted(s: RTCSession) {
    if (this.secondSession && !this.secondSession.isEnded()) return s.terminate()
    const first = this.session!
    this.secondSession = s
    const change = (c: Partial<Talk>) => this.secondSession === s && this.view.second && this.set({ second: { ...this.view.second, ...c } })
    this.set({ active: 'second', second: { id: s.id, state: 'dialling', peer: s.remote_identity?.uri?.user || '', since: Date.now(), muted: false } })
    s.on('peerconnection', (p) => this.hear(s, p.peerconnection))
    if (s.connection) this.hear(s, s.connection)
    let candidates = 0
    s.on('icecandidate', (c) => {
      if (++candidates === 1) setTimeout(c.ready, 40)
    })
    s.on('progress', () => change({ state: 'ringing' }))
    s.on('accepted', () => change({ state: 'talking', since: Date.now() }))
    const over = () => {
      if (this.secondSession !== s) return
      this.secondSession = undefined
      this.set({ second: undefined, active: 'talk' })
      this.play()
    }
    s.on('ended', over)
    s.on('failed', over)
    // The first call may end before: the second is the call then.
    const left = () => {
      if (this.secondSession !== s || s.isEnded()) return
      this.secondSession = undefined
      this.session = s
      const talk = this.view.second!
      this.set({ talk, second: undefined, active: 'talk' })
      const gone = () => {
        if (this.session === s) this.session = undefined
        if (this.view.talk?.id === talk.id) this.set({ talk: undefined })
      }
      s.on('ended', gone)
      s.on('failed', gone)
      this.watch(s)
      this.play()
    }
    first.on('ended', left)
    first.on('failed', left)
  }

  // consult calls somebody beside the call there is, which the server holds meanwhile.
  consult(number: string) {
    if (!this.ua || !this.account || !this.session || this.secondSession) return
    this.ua.call(this.uriOf(number), this.media())
  }

  // swap is heard in the other of two calls; who waits there is the server's.
  swap() {
    if (!this.view.second) return
    this.set({ active: this.view.active === 'talk' ? 'second' : 'talk' })
    this.play()
  }

  hangupSecond() {
    if (this.secondSession && !this.secondSession.isEnded()) this.secondSession.terminate()
  }

  private uriOf(number: string) {
    return `sip:${encodeURIComponent(number)}@${this.account!.uri.slice(this.account!.uri.indexOf('@') + 1)}`
  }

  private ringOn(t: Talk) {
    this.ringOff()
    if (!this.context) return
    void this.context.resume()
    const gain = this.context.createGain()
    gain.gain.value = 0
    const out = this.context.createMediaStreamDestination()
    const bell = new Audio()
    bell.srcObject = out.stream
    const to = devices().ringer
    if (to && 'setSinkId' in bell) void (bell as any).setSinkId(to).catch(() => {})
    void bell.play().catch(() => {})
    gain.connect(out)
    const tones = [880, 1108].map((hz) => {
      const o = this.context!.createOscillator()
      o.frequency.value = hz
      o.connect(gain)
      o.start()
      return o
    })
    const beat = () => {
      const now = this.context!.currentTime
      for (const at of [0, 0.4]) {
        gain.gain.setTargetAtTime(0.25, now + at, 0.01)
        gain.gain.setTargetAtTime(0, now + at + 0.25, 0.03)
      }
    }
    beat()
    const timer = setInterval(beat, 2000)
    const title = document.title
    let note: Notification | undefined
    if (document.hidden && 'Notification' in window && Notification.permission === 'granted') {
      note = new Notification(t.queue ? `${t.queue}: ${t.peer}` : t.peer, { tag: 'centrala-ring', requireInteraction: true })
      note.onclick = () => window.focus()
    }
    const blink = setInterval(() => (document.title = document.title === title ? '☎ ' + t.peer : title), 800)
    this.ring = {
      stop: () => {
        clearInterval(timer)
        clearInterval(blink)
        document.title = title
        tones.forEach((o) => o.stop())
        bell.srcObject = null
        note?.close()
      },
    }
  }

  private ringOff() {
    this.ring?.stop()
    this.ring = undefined
  }

  // watch measures the line each second and says it in words.
  private watch(s: RTCSession) {
    if (this.stats) clearInterval(this.stats)
    this.last = { packets: 0, lost: 0 }
    let still = 0
    this.stats = setInterval(async () => {
      const pc = s.connection
      if (!pc || this.session !== s) return
      const report = await pc.getStats()
      let rtt = 0
      let jitter = 0
      let packets = 0
      let lost = 0
      report.forEach((r: any) => {
        if (r.type === 'inbound-rtp' && r.kind === 'audio') {
          jitter = (r.jitter ?? 0) * 1000
          packets = r.packetsReceived ?? 0
          lost = r.packetsLost ?? 0
        }
        if (r.type === 'candidate-pair' && r.nominated) rtt = (r.currentRoundTripTime ?? 0) * 1000
      })
      const dp = packets - this.last.packets
      const dl = Math.max(0, lost - this.last.lost)
      this.last = { packets, lost }
      still = dp === 0 ? still + 1 : 0
      const loss = dp + dl > 0 ? (100 * dl) / (dp + dl) : 0
      // E-model, short form (G.107): latency, then loss.
      const latency = rtt + 2 * jitter + 10
      const r = (latency < 160 ? 94.768 - latency / 40 : 94.768 - (latency - 120) / 10) - 2.5 * loss
      const words = still >= 3 ? 'none' : r > 80 ? 'good' : r > 65 ? 'fair' : 'poor'
      if (this.view.talk?.id === s.id) this.set({ talk: { ...this.view.talk, quality: { words, rttMs: rtt, jitterMs: jitter, lossPercent: loss } } })
    }, 1000)
  }

  dial(number: string) {
    if (!this.ua || !this.account || this.session) return
    this.ua.call(this.uriOf(number), this.media())
  }

  answer() {
    this.ringOff()
    this.session?.answer(this.media())
  }

  private media() {
    return { mediaStream: this.stream, pcConfig: { iceServers: this.account?.ice_servers ?? [] }, mediaConstraints: { audio: true, video: false } }
  }

  reject() {
    if (this.session && !this.session.isEnded()) this.session.terminate({ status_code: 486 })
  }

  hangup() {
    if (this.session && !this.session.isEnded()) this.session.terminate()
  }

  mute(on: boolean) {
    if (!this.session || !this.view.talk) return
    // Both calls send the one microphone.
    for (const s of [this.session, this.secondSession]) {
      if (!s || s.isEnded()) continue
      if (on) s.mute({ audio: true })
      else s.unmute({ audio: true })
    }
    this.set({ talk: { ...this.view.talk, muted: on } })
  }

  key(k: string) {
    const s = this.view.active === 'second' ? this.secondSession : this.session
    s?.sendDTMF(k, { transportType: JsSIP.C.DTMF_TRANSPORT.RFC2833 as any })
  }
}

export const phone = new Phone()
export const usePhone = () => useSyncExternalStore(phone.subscribe, () => phone.snapshot)
