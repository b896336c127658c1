import '@mantine/core/styles/Switch.css'
import { Button, Card, Group, NativeSelect, Progress, Stack, Switch, Text, Title } from '@mantine/core'
import { useEffect, useState, useSyncExternalStore } from 'react'
import { useTranslation } from 'react-i18next'
import { devices, phone, setDevices, usePhone } from '../phone'
import { canHeadset, chooseHeadset, findHeadset, headset } from './headset'

findHeadset()

// Devices chooses microphone, headset and ringer, each for itself, at any time; the level
// shows that the microphone hears, the echo that all of it works.
export function Devices() {
  const { t } = useTranslation()
  const [list, set] = useState<MediaDeviceInfo[]>([])
  const [chosen, choose] = useState(devices())
  const [asked, ask] = useState(0)
  const p = usePhone()
  const buttons = useSyncExternalStore(headset.subscribe, headset.name)
  useEffect(() => {
    const look = () => navigator.mediaDevices?.enumerateDevices().then(set, () => {})
    void look()
    navigator.mediaDevices?.addEventListener('devicechange', look)
    return () => navigator.mediaDevices?.removeEventListener('devicechange', look)
  }, [p.state])
  const change = (next: typeof chosen, mic: boolean) => {
    choose(next)
    setDevices(next)
    if (mic) void phone.replaceMic()
  }
  const of = (kind: string) => [{ value: '', label: t('devices.usual') }, ...list.filter((d) => d.kind === kind && d.deviceId && d.deviceId !== 'default').map((d) => ({ value: d.deviceId, label: d.label || d.deviceId.slice(0, 8) }))]
  return (
    <Card withBorder component="details">
      <Title order={2} size="h5" component="summary">{t('devices.title')}</Title>
      <Stack gap="xs" mt="xs">
        <NativeSelect label={t('devices.mic')} value={chosen.mic ?? ''} onChange={(e) => change({ ...chosen, mic: e.currentTarget.value || undefined }, true)} data={of('audioinput')} />
        <Progress value={p.level * 100} aria-label={t('phone.level')} />
        <Switch label={t('devices.processed')} checked={chosen.processed} onChange={(e) => change({ ...chosen, processed: e.currentTarget.checked }, true)} />
        <NativeSelect label={t('devices.speaker')} value={chosen.speaker ?? ''} onChange={(e) => change({ ...chosen, speaker: e.currentTarget.value || undefined }, false)} data={of('audiooutput')} />
        <NativeSelect label={t('devices.ringer')} value={chosen.ringer ?? ''} onChange={(e) => change({ ...chosen, ringer: e.currentTarget.value || undefined }, false)} data={of('audiooutput')} />
        {'Notification' in window && Notification.permission === 'default' && <Button variant="default" onClick={() => void Notification.requestPermission().then(() => ask(asked + 1))}>{t('devices.notify')}</Button>}
        <Button variant="default" disabled={p.state !== 'ready' || !!p.talk} onClick={() => phone.dial('*9')}>{t('devices.echo')}</Button>
        {canHeadset() && (
          <Group justify="space-between">
            <Text size="sm" data-headset={buttons ?? ''}>{buttons ? t('devices.buttons', { name: buttons }) : t('devices.nobuttons')}</Text>
            <Button variant="default" size="compact-sm" onClick={() => void chooseHeadset().catch(() => {})}>{t('devices.choose')}</Button>
          </Group>
        )}
      </Stack>
    </Card>
  )
}
