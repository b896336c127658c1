// Buttons of headsets by WebHID: the Telephony page (0x0B) tells the hook switch and
// mute, the LED page (0x08) shows ringing, off-hook and mute (HID Usage Tables 1.5).
// Class-compliant sets need no code of their makers.
import { phone, type PhoneView } from '../phone'

const TELEPHONY = 0x0b
const LED = 0x08
const HOOK = (TELEPHONY << 16) | 0x20
const MUTE = (TELEPHONY << 16) | 0x2f
const FLASH = (TELEPHONY << 16) | 0x21
const LEDS = { mute: (LED << 16) | 0x09, offHook: (LED << 16) | 0x17, ring: (LED << 16) | 0x18 }

interface Item { usages?: number[]; isRange?: boolean; usageMinimum?: number; usageMaximum?: number; reportSize?: number; reportCount?: number; isAbsolute?: boolean; isConstant?: boolean }
interface Report { reportId?: number; items?: Item[] }
interface Collection { usagePage?: number; usage?: number; inputReports?: Report[]; outputReports?: Report[]; children?: Collection[] }
export interface HID extends EventTarget {
  opened: boolean
  productName: string
  collections: Collection[]
  open(): Promise<void>
  close(): Promise<void>
  sendReport(id: number, data: BufferSource): Promise<void>
}

interface Bit { report: number; bit: number; absolute: boolean }
type Bits = Map<number, Bit>

// bitsOf finds where each usage of a kind of report stands.
export function bitsOf(collections: Collection[], kind: 'inputReports' | 'outputReports'): { bits: Bits; sizes: Map<number, number> } {
  const bits: Bits = new Map()
  const sizes = new Map<number, number>() // bytes of each report
  const walk = (c: Collection) => {
    for (const r of c[kind] ?? []) {
      let at = 0
      for (const item of r.items ?? []) {
        const size = item.reportSize ?? 0
        for (let i = 0; i < (item.reportCount ?? 0); i++) {
          const usage = item.isRange ? (item.usageMinimum ?? 0) + i : item.usages?.[Math.min(i, (item.usages?.length ?? 1) - 1)]
          if (usage !== undefined && size === 1 && !item.isConstant && !bits.has(usage)) bits.set(usage, { report: r.reportId ?? 0, bit: at, absolute: item.isAbsolute !== false })
          at += size
        }
      }
      sizes.set(r.reportId ?? 0, Math.max(sizes.get(r.reportId ?? 0) ?? 0, Math.ceil(at / 8)))
    }
    c.children?.forEach(walk)
  }
  collections.forEach(walk)
  return { bits, sizes }
}

// Headset keeps one device and the phone in step.
export class Headset {
  private input: Bits
  private output: Bits
  private sizes: Map<number, number>
  private was = new Map<number, boolean>()
  private shown = ''
  private stopWatching: () => void

  constructor(readonly device: HID) {
    this.input = bitsOf(device.collections, 'inputReports').bits
    const out = bitsOf(device.collections, 'outputReports')
    this.output = out.bits
    this.sizes = out.sizes
    device.addEventListener('inputreport', this.pressed as unknown as EventListener)
    this.stopWatching = phone.subscribe(() => this.show(phone.snapshot))
    this.show(phone.snapshot)
  }

  // usable tells whether the device has a hook switch or a mute button at all.
  static usable = (d: HID) => {
    const { bits } = bitsOf(d.collections, 'inputReports')
    return bits.has(HOOK) || bits.has(MUTE)
  }

  private pressed = (e: { reportId: number; data: DataView }) => {
    const read = (usage: number) => {
      const b = this.input.get(usage)
      if (!b || b.report !== e.reportId || b.bit >> 3 >= e.data.byteLength) return undefined
      return { on: ((e.data.getUint8(b.bit >> 3) >> (b.bit & 7)) & 1) === 1, absolute: b.absolute }
    }
    const edge = (usage: number) => {
      const now = read(usage)
      if (!now) return undefined
      const was = this.was.get(usage) ?? false
      this.was.set(usage, now.on)
      return now.on === was ? undefined : now
    }
    const { talk } = phone.snapshot
    const hook = edge(HOOK)
    // A hook switch is a state: up answers, down hangs up. Some sets send a short press
    // of it instead, up and down at once, so that "down" counts in a conversation alone.
    if (hook?.on && talk?.state === 'incoming') phone.answer()
    else if (hook && !hook.on && talk && talk.state !== 'incoming') phone.hangup()
    const mute = edge(MUTE)
    // Mute is a button: each press changes it (HID Usage Tables 1.5, 14.2: one shot).
    if (mute?.on && talk && talk.state !== 'incoming') phone.mute(!talk.muted)
    const flash = edge(FLASH)
    if (flash?.on && talk?.state === 'incoming') phone.reject()
  }

  // show lights what the phone does.
  private show(view: PhoneView) {
    const talk = view.talk
    const lit: [number, boolean][] = [
      [LEDS.ring, talk?.state === 'incoming'],
      [LEDS.offHook, !!talk && talk.state !== 'incoming'],
      [LEDS.mute, !!talk?.muted],
    ]
    const state = lit.map(([, on]) => +on).join('')
    if (state === this.shown) return
    this.shown = state
    // An answer by the page is an answer for the hook too: the next "down" hangs up.
    this.was.set(HOOK, !!talk && talk.state !== 'incoming')
    const reports = new Map<number, Uint8Array<ArrayBuffer>>()
    for (const [usage, on] of lit) {
      const b = this.output.get(usage)
      if (!b) continue
      const data = reports.get(b.report) ?? new Uint8Array(this.sizes.get(b.report) ?? 1)
      if (on) data[b.bit >> 3] |= 1 << (b.bit & 7)
      reports.set(b.report, data)
    }
    for (const [id, data] of reports) void this.device.sendReport(id, data).catch(() => {})
  }

  async close() {
    this.stopWatching()
    this.device.removeEventListener('inputreport', this.pressed as unknown as EventListener)
    await this.device.close().catch(() => {})
  }
}

const hid = () => (navigator as any).hid as (EventTarget & { getDevices(): Promise<HID[]>; requestDevice(o: object): Promise<HID[]> }) | undefined

let set: Headset | undefined
const watchers = new Set<() => void>()
const told = () => watchers.forEach((f) => f())

async function use(d?: HID) {
  if (!d || set?.device === d || !Headset.usable(d)) return
  await set?.close()
  try {
    if (!d.opened) await d.open()
    set = new Headset(d)
  } catch {
    set = undefined
  }
  told()
}

// findHeadset takes a set that the person has allowed before; those plugged in later too.
export function findHeadset() {
  const h = hid()
  if (!h) return
  void h.getDevices().then((list) => use(list.find(Headset.usable)), () => {})
  h.addEventListener('connect', (e) => void use((e as any).device))
  h.addEventListener('disconnect', (e) => {
    if ((e as any).device !== set?.device) return
    void set?.close()
    set = undefined
    told()
  })
}

// chooseHeadset asks the person for one; it needs a click.
export async function chooseHeadset() {
  const list = (await hid()?.requestDevice({ filters: [{ usagePage: TELEPHONY }] })) ?? []
  await use(list.find(Headset.usable))
  return !!set
}

export const canHeadset = () => !!hid()
export const headset = {
  subscribe: (f: () => void) => {
    watchers.add(f)
    return () => void watchers.delete(f)
  },
  name: () => set?.device.productName,
}
