// Package schema holds the JSON Schemas of this folder, so that the binary can tell
// editors and forms what a document may say. They are generated (make generate) and
// held to the code by tests of pkg/config, pkg/resource and ivr/flow.
package schema

import _ "embed"

var (
	// Resource is the schema of a resource document.
	//
	//go:embed resource.json
	Resource []byte
	// Flow is the schema of a flow's spec.
	//
	//go:embed flow.json
	Flow []byte
)
