// Command policies enforces NetworkPolicies on this node: kube-router's controller for them, and nothing else of it. Beside
// it stands a gate, by which a pod's processes wait until its rules are in the kernel.
package main

import (
	"flag"
	"os"
	"os/signal"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/cloudnativelabs/kube-router/v2/pkg/controllers/netpol"
	"github.com/cloudnativelabs/kube-router/v2/pkg/healthcheck"
	"github.com/cloudnativelabs/kube-router/v2/pkg/options"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/klog/v2"
)

func main() {
	kubeconfig := flag.String("kubeconfig", "", "who it is")
	node := flag.String("node", "", "the node's name")
	address := flag.String("address", "", "the node's address")
	folder := flag.String("folder", "", "of the gate's socket, and of notes about the pods on the network")
	services := flag.String("services", "", "the addresses of Services")
	nodePorts := flag.String("node-ports", "", "first-last")
	flag.Parse()
	config, err := clientcmd.BuildConfigFromFlags("", *kubeconfig)
	if err != nil {
		klog.Fatal(err)
	}
	shown, err := newPods(*address, filepath.Join(*folder, "pods"))
	if err != nil {
		klog.Fatal(err)
	}
	run(kubernetes.NewForConfigOrDie(config), shown, filepath.Join(*folder, "gate.sock"), &options.KubeRouterConfig{
		ClusterIPCIDRs:     []string{*services},
		EnableIPv4:         true,
		HostnameOverride:   *node,
		IPTablesSyncPeriod: time.Minute,
		NodePortRange:      *nodePorts,
	})
}

func run(client kubernetes.Interface, shown *pods, socket string, settings *options.KubeRouterConfig) {
	stop := make(chan struct{})
	factory := informers.NewSharedInformerFactory(client, 0)
	pods := factory.Core().V1().Pods().Informer()
	namespaces := factory.Core().V1().Namespaces().Informer()
	policies := factory.Networking().V1().NetworkPolicies().Informer()
	factory.Start(stop)
	factory.WaitForCacheSync(stop)
	tables, sets, err := netpol.NewIPTablesHandlers(settings)
	if err != nil {
		klog.Fatal(err)
	}
	rounds := newRounds()
	rounds.count(tables, sets)
	var sharing sync.Mutex
	controller, err := netpol.NewNetworkPolicyController(
		client, settings, informer{pods, shown}, policies, namespaces, &sharing, tables, sets)
	if err != nil {
		klog.Fatal(err)
	}
	shown.next = controller.PodEventHandler
	hear(stop, map[cache.SharedIndexInformer]cache.ResourceEventHandler{
		pods: shown, namespaces: controller.NamespaceEventHandler, policies: controller.NetworkPolicyEventHandler,
	})
	beats := make(chan *healthcheck.ControllerHeartbeat)
	go func() {
		for range beats { // nobody asks how it is: a daemon that ends is started again
		}
	}()
	var running sync.WaitGroup
	running.Add(1)
	go controller.Run(beats, stop, &running)
	go func() {
		klog.Fatal((&gate{shown, rounds, controller.RequestFullSync}).serve(socket))
	}()
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
	<-signals
	close(stop)
	running.Wait()
}

// hear returns when every handler has heard of all that there is: rules are written for all pods or not at all.
func hear(stop <-chan struct{}, handlers map[cache.SharedIndexInformer]cache.ResourceEventHandler) {
	for informer, handler := range handlers {
		heard, err := informer.AddEventHandler(handler)
		if err != nil {
			klog.Fatal(err)
		}
		cache.WaitForCacheSync(stop, heard.HasSynced)
	}
}
