//go:build tools

// Names the program this module exists to build, so that its versions are pinned in go.mod and go.sum.
package tools

import _ "github.com/grafana/loki/v3/cmd/loki"
