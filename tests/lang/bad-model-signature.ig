model m() -> () {
}
