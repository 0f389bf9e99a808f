"""Dashboard: runs, price files and events of a user -> pages in a browser; it shows, and computes nothing itself."""
