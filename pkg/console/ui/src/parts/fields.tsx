import { Group, NativeSelect, SegmentedControl, Stack, Text, TextInput, Textarea } from '@mantine/core'
import { useTranslation } from 'react-i18next'

// Field is a field of a case or a question of a script, as the tenant defined it.
export interface Field { name: string; label?: string; type: string; required?: boolean; choices?: string[] }

const inputs: Record<string, { type?: string; inputMode?: 'decimal' | 'tel' | 'email'; placeholder?: string }> = {
  number: { inputMode: 'decimal' },
  money: { inputMode: 'decimal', placeholder: '12.50 RON' },
  date: { type: 'date' },
  phone: { type: 'tel', inputMode: 'tel' },
  email: { type: 'email', inputMode: 'email' },
}

// FieldInput is one field; what is empty is not told.
export function FieldInput({ field, value, change }: { field: Field; value: string; change: (v: string) => void }) {
  const { t } = useTranslation()
  const label = field.label ?? field.name
  const common = { label, withAsterisk: field.required, value }
  if (field.type === 'choice' || field.type === 'yes_no') {
    const data = field.type === 'yes_no' ? [{ value: 'yes', label: t('yes') }, { value: 'no', label: t('no') }] : (field.choices ?? []).map((c) => ({ value: c, label: c }))
    // A few are shown at once: one click instead of two.
    if (data.length <= 4)
      return (
        <Stack gap={2}>
          <Text size="sm" fw={500} id={'field-' + field.name}>{label}{field.required && ' *'}</Text>
          <SegmentedControl aria-labelledby={'field-' + field.name} value={value} data={data} onChange={(v) => change(v === value ? '' : v)} />
        </Stack>
      )
    return <NativeSelect {...common} onChange={(e) => change(e.currentTarget.value)} data={[{ value: '', label: '–' }, ...data]} />
  }
  if (field.type === 'text' && /note|remark|text|address/.test(field.name)) return <Textarea {...common} autosize minRows={1} maxRows={6} onChange={(e) => change(e.currentTarget.value)} />
  return <TextInput {...common} {...inputs[field.type]} onChange={(e) => change(e.currentTarget.value)} />
}

export function Fields({ fields, values, change }: { fields: Field[]; values: Record<string, string>; change: (v: Record<string, string>) => void }) {
  return (
    <Group align="end" gap="sm">
      {fields.map((f) => <FieldInput key={f.name} field={f} value={values[f.name] ?? ''} change={(v) => change({ ...values, [f.name]: v })} />)}
    </Group>
  )
}
