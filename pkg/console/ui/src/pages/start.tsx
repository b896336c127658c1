import { Alert, Button, Card, Group, SimpleGrid, Stack, Text, Title } from '@mantine/core'
import { useTranslation } from 'react-i18next'
import { post, type Session } from '../api'
import { Wrong, useTry } from '../parts/error'

// Start is the printed page of the demonstration: be the caller, be the operator, watch.
export function Start({ session }: { session: Session }) {
  const { t } = useTranslation()
  const { run, wrong, busy, forget } = useTry()
  const open = (name: string, path: string) =>
    run(async () => {
      await post('/session/demo', { name })
      location.assign(path)
    })
  const has = (name: string) => session.login.demo?.some((u) => u.name === name)
  const cards = [
    { key: 'caller', name: 'caller', path: '/caller' },
    { key: 'operator', name: 'anna', path: '/desk' },
    { key: 'watch', name: 'sofia', path: '/live' },
  ].filter((c) => has(c.name))
  return (
    <Stack maw={1100} mx="auto">
      <Title order={1}>{t('start.title')}</Title>
      <Text>{t('start.text')}</Text>
      {!window.isSecureContext && <Alert color="orange">{t('start.insecure')}</Alert>}
      <Wrong wrong={wrong} forget={forget} />
      <SimpleGrid cols={{ base: 1, sm: 3 }}>
        {cards.map((c, i) => (
          <Card withBorder key={c.key} padding="lg">
            <Stack justify="space-between" h="100%">
              <div>
                <Text c="dimmed" size="sm">{t('start.step', { n: i + 1 })}</Text>
                <Title order={2} size="h3">{t(`start.${c.key}.title`)}</Title>
                <Text mt="xs">{t(`start.${c.key}.text`)}</Text>
              </div>
              <Group>
                <Button loading={busy} onClick={() => open(c.name, c.path)}>{t(`start.${c.key}.open`)}</Button>
              </Group>
            </Stack>
          </Card>
        ))}
      </SimpleGrid>
    </Stack>
  )
}
