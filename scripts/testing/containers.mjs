export async function prepareContainers() {}
