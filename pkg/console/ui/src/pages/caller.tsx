import { Alert, Badge, Button, Card, Group, Stack, Text, TextInput, Title } from '@mantine/core'
import { useEffect, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { Keypad } from '../parts/keypad'
import { phone, usePhone } from '../phone'
import { PhoneBadge } from '../parts/phonebadge'
import { span } from '../parts/time'

// CallerPage is a phone and nothing else: what a caller of the demonstration has.
export function CallerPage() {
  const { t } = useTranslation()
  const p = usePhone()
  const [number, setNumber] = useState('1000')
  const [, tick] = useState(0)
  useEffect(() => {
    void phone.start()
    const timer = setInterval(() => tick((n) => n + 1), 1000)
    return () => {
      clearInterval(timer)
      phone.stop()
    }
  }, [])
  return (
    <Card withBorder maw={420} mx="auto">
      <Stack>
        <Group justify="space-between">
          <Title order={1} size="h3">{t('caller.title')}</Title>
          <PhoneBadge />
        </Group>
        {p.state === 'failed' && <Alert color="red" role="alert">{p.why === 'mic' ? t('phone.nomic') : p.why}</Alert>}
        {p.state === 'elsewhere' && <Alert color="orange">{t('phone.elsewhere')} <Button size="xs" onClick={() => phone.start(true)}>{t('phone.here')}</Button></Alert>}
        {!p.talk && (
          <Group align="end">
            <TextInput label={t('phone.number')} value={number} onChange={(e) => setNumber(e.currentTarget.value)} />
            <Button color="green" disabled={p.state !== 'ready'} onClick={() => phone.dial(number)}>{t('phone.call')}</Button>
          </Group>
        )}
        {p.talk && (
          <>
            <Group>
              <Badge size="lg" role="status">{t('talk.' + p.talk.state)}</Badge>
              <Text className="tabular">{span(Date.now() - p.talk.since)}</Text>
              {p.talk.quality && <Text size="sm">{t('quality.' + p.talk.quality.words)}</Text>}
            </Group>
            <Keypad press={(k) => phone.key(k)} />
            <Button color="red" onClick={() => phone.hangup()}>{t('phone.hangup')}</Button>
          </>
        )}
        <Text size="sm" c="dimmed">{t('caller.help')}</Text>
      </Stack>
    </Card>
  )
}
