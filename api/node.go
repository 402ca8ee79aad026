package api

// ListNodesInput asks for the nodes of a store. It names nothing.
type ListNodesInput struct{}

// ListNodesOutput are the processes that use the store, by their names, and the store's time.
type ListNodesOutput struct {
	Nodes []Node    `json:"nodes"`
	Now   Timestamp `json:"now"`
}

// Node is a process that uses the store. Name is drawn at each start. Shards is how many of the store's are its own, of TotalShards. LastSeen is
// when it last said so: every 2 seconds or so. One that has said nothing for 10 seconds is not Alive: its shards are taken by others.
type Node struct {
	Name        string    `json:"name"`
	Version     string    `json:"version"`
	Address     string    `json:"address"`
	Since       Timestamp `json:"since"`
	LastSeen    Timestamp `json:"lastSeen"`
	Alive       bool      `json:"alive"`
	Shards      int       `json:"shards"`
	TotalShards int       `json:"totalShards"`
}
