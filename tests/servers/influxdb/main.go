// Command influxd is InfluxDB 2's own server, built from its Go module.
//
// It is here so that the tests of the write path meet a real server on any
// machine that has Go, without a package or a container. Nothing of the
// server is changed: this is the `influxd` command as its authors wire it.
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/influxdata/influxdb/v2/cmd/influxd/launcher"
	_ "github.com/influxdata/influxdb/v2/tsdb/engine/tsm1"
	_ "github.com/influxdata/influxdb/v2/tsdb/index/tsi1"
	"github.com/spf13/viper"
)

func main() {
	command, err := launcher.NewInfluxdCommand(context.Background(), viper.New())
	if err == nil {
		err = command.Execute()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "influxd:", err)
		os.Exit(1)
	}
}
