package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"sync"

	core "k8s.io/api/core/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/cache"
)

// pods are what kube-router is shown: what the API server says of each pod, with its address from the moment that its
// network has one, and until it has none. The API server hears of an address a second after the pod's start, and
// forgets a pod that is deleted without grace while its processes still end.
type pods struct {
	cache.Indexer
	next    cache.ResourceEventHandler // kube-router's, which hears of a change once it is shown
	node    string                     // its address
	folder  string                     // of notes, which outlive this process as the rules do
	mutex   sync.Mutex
	said    map[types.UID]*core.Pod // by the API server
	present map[types.UID]*core.Pod // on the network: notes, with what the rules need
}

// sandbox is the annotation that keeps which of a pod's sandboxes a note is of: one may go after the next has come.
const sandbox = "cairn.local/sandbox"

func newPods(node, folder string) (*pods, error) {
	key := func(object any) (string, error) { return string(object.(*core.Pod).UID), nil }
	p := &pods{
		Indexer: cache.NewIndexer(key, cache.Indexers{cache.NamespaceIndex: cache.MetaNamespaceIndexFunc}),
		node:    node,
		folder:  folder,
		said:    map[types.UID]*core.Pod{},
		present: map[types.UID]*core.Pod{},
	}
	return p, p.recall()
}

// recall reads the notes of the process before.
func (p *pods) recall() error {
	if err := os.MkdirAll(p.folder, 0o700); err != nil {
		return err
	}
	found, err := filepath.Glob(p.file("*"))
	if err != nil {
		return err
	}
	for _, file := range found {
		content, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		note := &core.Pod{}
		if err := json.Unmarshal(content, note); err != nil {
			return err
		}
		p.present[note.UID] = note
		p.show(note.UID)
	}
	return nil
}

// OnAdd, OnUpdate and OnDelete hear the API server.
func (p *pods) OnAdd(object any, first bool) {
	p.hear(object.(*core.Pod))
	p.next.OnAdd(object, first)
}

// OnUpdate may be of two pods, of which the second has the first one's name.
func (p *pods) OnUpdate(before, after any) {
	if before.(*core.Pod).UID != after.(*core.Pod).UID {
		p.OnDelete(before)
	}
	p.hear(after.(*core.Pod))
	p.next.OnUpdate(before, after)
}

// OnDelete keeps a pod that is still on the network.
func (p *pods) OnDelete(object any) {
	if missed, is := object.(cache.DeletedFinalStateUnknown); is {
		object = missed.Obj
	}
	p.unsay(object.(*core.Pod).UID)
	p.next.OnDelete(object)
}

func (p *pods) unsay(uid types.UID) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	delete(p.said, uid)
	p.show(uid)
}

func (p *pods) hear(pod *core.Pod) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	p.said[pod.UID] = pod
	p.show(pod.UID)
}

// come notes a pod's address; false while the API server has not told of the pod.
func (p *pods) come(uid types.UID, container, address string) (bool, error) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	pod, known := p.said[uid]
	if !known {
		return false, nil
	}
	note := p.note(pod, container, address)
	if err := p.keep(note); err != nil {
		return true, err
	}
	p.present[uid] = note
	p.show(uid)
	return true, nil
}

// leave forgets a sandbox's address.
func (p *pods) leave(uid types.UID, container string) error {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	note, noted := p.present[uid]
	if !noted || note.Annotations[sandbox] != container {
		return nil
	}
	if err := os.Remove(p.file(uid)); err != nil && !os.IsNotExist(err) {
		return err
	}
	delete(p.present, uid)
	p.show(uid)
	return nil
}

// show has kube-router see a pod as it is now.
func (p *pods) show(uid types.UID) {
	pod, note := p.said[uid], p.present[uid]
	switch {
	case pod == nil && note == nil:
		p.Indexer.Delete(&core.Pod{ObjectMeta: meta.ObjectMeta{UID: uid}})
	case note == nil:
		p.Indexer.Update(pod)
	case pod == nil:
		p.Indexer.Update(note)
	default:
		shown := pod.DeepCopy()
		shown.Status.HostIP, shown.Status.PodIP, shown.Status.PodIPs = p.node, note.Status.PodIP, note.Status.PodIPs
		p.Indexer.Update(shown)
	}
}

// note is what rules need to know of a pod and nothing else: its variables are nobody's business.
func (p *pods) note(pod *core.Pod, container, address string) *core.Pod {
	note := &core.Pod{ObjectMeta: meta.ObjectMeta{
		Name: pod.Name, Namespace: pod.Namespace, UID: pod.UID, Labels: pod.Labels,
		Annotations: map[string]string{sandbox: container},
	}}
	for _, each := range pod.Spec.Containers {
		note.Spec.Containers = append(note.Spec.Containers, core.Container{Name: each.Name, Ports: each.Ports})
	}
	note.Status.HostIP, note.Status.PodIP = p.node, address
	note.Status.PodIPs = []core.PodIP{{IP: address}}
	return note
}

// keep writes a note whole or not at all.
func (p *pods) keep(note *core.Pod) error {
	content, err := json.Marshal(note)
	if err != nil {
		return err
	}
	file := p.file(note.UID)
	if err := os.WriteFile(file+".part", content, 0o600); err != nil {
		return err
	}
	return os.Rename(file+".part", file)
}

func (p *pods) file(uid types.UID) string { return filepath.Join(p.folder, string(uid)+".json") }

// informer is the API server's for pods, but for what it shows.
type informer struct {
	cache.SharedIndexInformer
	shown *pods
}

func (i informer) GetIndexer() cache.Indexer { return i.shown }
