package app

import (
	"testing"
	"testing/fstest"
)

// system is a file system with these files.
func system(files map[string]string) fstest.MapFS {
	s := fstest.MapFS{}
	for name, text := range files {
		s[name] = &fstest.MapFile{Data: []byte(text)}
	}
	return s
}

func TestCgroupMemory(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		files map[string]string
		want  int64 // 0 for none
	}{
		{"no cgroups", nil, 0},
		{"v2, in a container", map[string]string{
			"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "1073741824\n"}, 1 << 30},
		{"v2, a systemd unit", map[string]string{
			"proc/self/cgroup": "0::/system.slice/bell.service\n", "sys/fs/cgroup/system.slice/bell.service/memory.max": "1073741824\n",
			"sys/fs/cgroup/system.slice/memory.max": "max\n"}, 1 << 30},
		{"v2, a lower limit above", map[string]string{
			"proc/self/cgroup": "0::/a/b\n", "sys/fs/cgroup/a/b/memory.max": "1073741824\n", "sys/fs/cgroup/a/memory.max": "536870912\n"}, 512 << 20},
		{"v2, without a limit", map[string]string{
			"proc/self/cgroup": "0::/a\n", "sys/fs/cgroup/a/memory.max": "max\n"}, 0},
		{"v2, a path outside the cgroup namespace", map[string]string{
			"proc/self/cgroup": "0::/../../a\n", "sys/fs/cgroup/memory.max": "1048576\n", "sys/memory.max": "7\n"}, 1 << 20},
		{"v1, a systemd unit", map[string]string{
			"proc/self/cgroup":                                                     "9:pids:/x\n4:cpu,memory:/system.slice/bell.service\n",
			"sys/fs/cgroup/memory/memory.limit_in_bytes":                           "9223372036854771712\n",
			"sys/fs/cgroup/memory/system.slice/bell.service/memory.limit_in_bytes": "1073741824\n"}, 1 << 30},
		{"v1, in a container that shows the path of the host", map[string]string{
			"proc/self/cgroup": "4:memory:/docker/0123\n", "sys/fs/cgroup/memory/memory.limit_in_bytes": "1073741824\n"}, 1 << 30},
		{"v1, without a limit", map[string]string{
			"proc/self/cgroup": "4:memory:/\n", "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n"}, 0},
		{"both, the lower one counts", map[string]string{
			"proc/self/cgroup": "4:memory:/a\n0::/b\n", "sys/fs/cgroup/memory/a/memory.limit_in_bytes": "1073741824\n", "sys/fs/cgroup/b/memory.max": "2147483648\n"}, 1 << 30},
		{"text that is no limit", map[string]string{
			"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "-1\n"}, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got, ok := cgroupMemory(system(c.files))
			if ok != (c.want != 0) || ok && got != c.want {
				t.Errorf("limit %d, %v; want %d", got, ok, c.want)
			}
		})
	}
}

func FuzzCgroupMemory(f *testing.F) {
	f.Add("0::/\n", "1073741824\n")
	f.Add("4:memory:/a/../..\n0::", "max")
	f.Add("::::\n4:memory", "99999999999999999999")
	f.Fuzz(func(t *testing.T, list, limit string) {
		got, ok := cgroupMemory(system(map[string]string{
			"proc/self/cgroup": list, "sys/fs/cgroup/memory.max": limit, "sys/fs/cgroup/memory/memory.limit_in_bytes": limit,
		}))
		if ok && got <= 0 {
			t.Errorf("limit %d", got)
		}
	})
}
