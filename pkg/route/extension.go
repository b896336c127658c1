package route

// Extension returns the device that an extension of a tenant rings, or a device
// by its own name: what the lamps of a phone are set to.
func (t *Table) Extension(tenant, dialled string) (device string, ok bool) {
	tn := t.tenants[tenant]
	if tn == nil || len(dialled) > maxDialled {
		return "", false
	}
	if device, ok = tn.extensions[dialled]; ok {
		return device, true
	}
	if tn.devices[dialled] != nil {
		return dialled, true
	}
	return "", false
}
