import { Alert, Button, Group, Text } from '@mantine/core'
import { useCallback, useEffect, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { name as el, post, type Session } from '../api'
import { phone, usePhone } from '../phone'

export type Mode = 'monitor' | 'whisper' | 'barge'

// useListening hears conversations with this page's phone: the server calls it, and it
// answers by itself. A second click on another mode changes it without a gap.
export function useListening(session: Session, run: (f: () => Promise<unknown>) => Promise<void>) {
  const p = usePhone()
  const [to, set] = useState<{ call: string; mode: Mode }>()
  useEffect(() => {
    if (to && p.talk?.state === 'incoming') phone.answer()
  }, [to, p.talk?.state])
  const talking = !!p.talk
  const [heard, setHeard] = useState(false)
  useEffect(() => {
    if (to && talking) setHeard(true)
    if (heard && !talking) {
      set(undefined)
      setHeard(false)
    }
  }, [to, talking, heard])
  const listen = useCallback((call: string, mode: Mode) => void run(async () => {
    const at = `/calls/${el(call)}/supervise`
    if (to?.call === call && phone.snapshot.talk) {
      await post(at, { mode })
      set({ call, mode })
      return
    }
    if (phone.snapshot.talk) phone.hangup()
    const until = Date.now() + 10_000
    if (phone.snapshot.state !== 'ready') await phone.start(true)
    while (phone.snapshot.state !== 'ready' || phone.snapshot.talk) {
      if (phone.snapshot.state === 'failed' || Date.now() > until) throw new Error(phone.snapshot.why ?? phone.snapshot.state)
      await new Promise((r) => setTimeout(r, 100))
    }
    set({ call, mode })
    await post(at, { mode, device: session.user!.device })
  }), [run, session, to?.call])
  return { listening: talking ? to : undefined, listen }
}

// Listening says what the page's phone hears, and ends it.
export function Listening({ to }: { to?: { call: string; mode: Mode } }) {
  const { t } = useTranslation()
  if (!to) return null
  return (
    <Alert color="blue" role="status" data-listening={to.mode}>
      <Group justify="space-between">
        <Text fw={700}>{t('super.hears', { mode: t('live.' + to.mode) })}</Text>
        <Button size="compact-sm" variant="default" onClick={() => phone.hangup()}>{t('super.stop')}</Button>
      </Group>
    </Alert>
  )
}
